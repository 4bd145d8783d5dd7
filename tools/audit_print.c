/* SPDX-License-Identifier: Apache-2.0 */
/* tools/audit_print.c: one log's audit as a row, a line of JSON, and words. */
#include "tools/audit_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static const char *good_word(const struct stele_audit_report *report) {
    return report->is_sample ? "sampled" : "holds";
}

const char *stele_audit_outcome(const struct stele_audit_report *report) {
    if (report->root_differs || report->against_differs ||
        (report->verdict != STELE_AUDIT_HOLDS && report->verdict != STELE_AUDIT_UNCHECKED)) {
        return "wrong";
    }
    bool all =
        report->verdict == STELE_AUDIT_HOLDS && (!report->has_against || report->against_compared);
    return all ? good_word(report) : "unchecked";
}

static const char *root_word(const struct stele_audit_report *report) {
    if (!report->has_checkpoint) {
        return "unsigned";
    }
    return report->root_differs ? "DIFFERS" : "signed";
}

void stele_audit_print_row(const struct stele_audit_told *told, bool first) {
    const struct stele_audit_report *report = told->report;
    if (first) {
        (void)printf("%-32s %12s %12s %10s %10s %7s %9s  %s\n", "LOG", "ENTRIES", "EVENTS",
                     "INDEXES", "CHECKED", "WRONG", "ROOT", "OUTCOME");
    }
    (void)printf("%-32s %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 " %7" PRIu64
                 " %9s  %s\n",
                 told->log, report->entries, report->events, report->n_indexes, report->n_checked,
                 report->n_wrong, root_word(report), stele_audit_outcome(report));
}

void stele_audit_print_json(const struct stele_audit_told *told) {
    const struct stele_audit_report *report = told->report;
    json_t *out =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "log", told->log, "outcome",
                  stele_audit_outcome(report), "entries", (json_int_t)report->entries, "events",
                  (json_int_t)report->events, "indexes", (json_int_t)report->n_indexes, "checked",
                  (json_int_t)report->n_checked, "wrong", (json_int_t)report->n_wrong, "unchecked",
                  (json_int_t)report->n_unchecked, "root", root_word(report), "checkpoint_size",
                  (json_int_t)report->checkpoint.size_leaves);
    if (out != NULL && report->verdict != STELE_AUDIT_HOLDS) {
        (void)json_object_set_new(out, "at", json_integer((json_int_t)report->at));
        (void)json_object_set_new(out, "reason", json_string(report->why));
    }
    if (out != NULL && report->has_against) {
        const char *word = report->against_differs ? "differs" : "same";
        (void)json_object_set_new(out, "against",
                                  json_string(report->against_compared ? word : "unchecked"));
    }
    if (out != NULL && report->is_sample) {
        (void)json_object_set_new(out, "sample", stele_audit_sample_json(report));
    }
    if (out != NULL && told->proof_path != NULL) {
        (void)json_object_set_new(out, "fraud_proof", json_string(told->proof_path));
    }
    (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(out);
}

void stele_audit_print_wrong(const struct stele_audit_told *told) {
    const struct stele_audit_report *report = told->report;
    if (report->verdict != STELE_AUDIT_HOLDS) {
        (void)fprintf(stderr, "stele audit: %s: %s: %s\n", told->log,
                      report->verdict == STELE_AUDIT_UNCHECKED ? "not checked" : "WRONG",
                      report->why);
    }
    if (report->root_differs) {
        (void)fprintf(stderr,
                      "stele audit: %s: WRONG: its newest checkpoint, of %" PRIu64
                      " entries, signs another root than they have\n",
                      told->log, report->checkpoint.size_leaves);
    }
    if (report->against_differs) {
        (void)fprintf(stderr,
                      "stele audit: %s: WRONG: its first %" PRIu64
                      " entries are others than the checkpoint that you gave signs: two histories. "
                      "Keep that checkpoint and the newest one\n",
                      told->log, report->against_leaves);
    } else if (report->has_against && !report->against_compared) {
        (void)fprintf(
            stderr,
            "stele audit: %s: not checked: the checkpoint that you gave is of %" PRIu64
            " entries; %" PRIu64 " were replayed%s\n",
            told->log, report->against_leaves, report->entries,
            report->went_on_at > report->against_leaves ? ", those below before it was given" : "");
    }
    if (told->proof_path != NULL) {
        (void)fprintf(stderr, "stele audit: %s: %s proves it: stele verify %s --key VKEYS\n",
                      told->log, told->proof_path, told->proof_path);
    } else if (report->n_wrong > 0 || report->verdict == STELE_AUDIT_WRONG_ENTRY) {
        (void)fprintf(stderr, "stele audit: %s: no fraud proof: %s\n", told->log, report->no_proof);
    }
}
