/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/audit_sample_print.c: what a sample says of itself: what it looked at, and in plain words
 * what it cannot have seen, so that nobody takes it for an audit.
 */
#include <inttypes.h>
#include <stdio.h>

#include "storage/keyring.h"
#include "tools/audit_print.h"

#define TEXT_BYTES 512

uint64_t stele_audit_new_seed(void) {
    uint8_t bytes[8];
    stele_random(bytes, sizeof bytes);
    return stele_get_u64(bytes) >> 11;
}

static double percent(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* Whatever was not rebuilt by chance was rebuilt for certain. */
static double chance(const struct stele_audit_sampled *sampled) {
    return percent(sampled->n_made, sampled->n_segments);
}

static void looked(const struct stele_audit_report *report, char ret[TEXT_BYTES]) {
    const struct stele_audit_sampled *sampled = &report->sampled;
    char unknown[128] = "";
    if (sampled->n_unknown > 0) {
        (void)snprintf(unknown, sizeof unknown,
                       ", %" PRIu64 " of them because their descriptors are kept no more",
                       sampled->n_unknown);
    }
    (void)snprintf(ret, TEXT_BYTES,
                   "sampled %" PRIu64 " of %" PRIu64 " segments of the INDEX at entry %" PRIu64
                   "%s: %" PRIu64 " entries replayed and %" PRIu64 " read singly, of %" PRIu64
                   ", %.1f %%",
                   sampled->n_made, sampled->n_segments, sampled->index_seq, unknown,
                   report->entries, sampled->n_single, report->checkpoint.size_leaves,
                   percent(report->entries + sampled->n_single, report->checkpoint.size_leaves));
}

static void not_looked(const struct stele_audit_report *report, char ret[TEXT_BYTES]) {
    const struct stele_audit_sampled *sampled = &report->sampled;
    uint64_t left = sampled->n_segments - sampled->n_made;
    if (sampled->n_segments == 0) {
        (void)snprintf(
            ret, TEXT_BYTES,
            "no INDEX entry is signed yet: there was nothing to sample, and no entry was "
            "looked at");
    } else if (left == 0) {
        (void)snprintf(ret, TEXT_BYTES,
                       "all segments of that INDEX were looked at, but not the entries behind it, "
                       "and of the earlier INDEX entries %" PRIu64 " only",
                       report->n_checked > 0 ? report->n_checked - 1 : 0);
    } else {
        (void)snprintf(ret, TEXT_BYTES,
                       "not looked at: %" PRIu64 " segments and their entries, the entries behind "
                       "that INDEX, and earlier INDEX entries but %" PRIu64
                       "; a wrong one among these would not be seen. The chance to see a single "
                       "wrong segment was %.1f %%",
                       left, report->n_checked, chance(sampled));
    }
}

void stele_audit_print_sample(const struct stele_audit_report *report) {
    char text[TEXT_BYTES];
    if (!report->is_sample) {
        return;
    }
    if (report->sampled.n_segments > 0) {
        looked(report, text);
        (void)printf("  %s (--seed %" PRIu64 ").\n", text, report->sampled.seed);
    }
    not_looked(report, text);
    (void)printf("  %s.\n", text);
}

json_t *stele_audit_sample_json(const struct stele_audit_report *report) {
    const struct stele_audit_sampled *sampled = &report->sampled;
    json_int_t n_read = (json_int_t)report->entries + (json_int_t)sampled->n_single;
    char text[TEXT_BYTES];
    not_looked(report, text);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s}", "seed",
                     (json_int_t)sampled->seed, "index", (json_int_t)sampled->index_seq, "segments",
                     (json_int_t)sampled->n_segments, "looked_at", (json_int_t)sampled->n_made,
                     "looked_at_unknown", (json_int_t)sampled->n_unknown, "entries_read", n_read,
                     "entries_of_log", (json_int_t)report->checkpoint.size_leaves, "chance_percent",
                     chance(sampled), "not_seen", text);
}
