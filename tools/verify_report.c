/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/verify_report.c: one list of claims, printed here as text and by verify_report_json.c as
 * JSON, so that both say the same. What is not proved is always part of it: a reader must not have
 * to know the format to know its limits.
 */
#include "tools/verify_report_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/utc.h"

static void prove(struct stele_verify_claims *claims, const char *text) {
    claims->proved[claims->n_proved++] = text;
}

static void leave_open(struct stele_verify_claims *claims, const char *text) {
    claims->open[claims->n_open++] = text;
}

static void claim_answer(const struct stele_verify_report *report,
                         struct stele_verify_claims *claims) {
    prove(claims, "Each log's checkpoint is signed with a key you gave.");
    if (report->n_events > 0) {
        prove(claims,
              "Each event is in its log, byte for byte, at its place and with its log time.");
        prove(claims,
              "Each event is one the question asks for, none stands twice, and they are in order.");
    }
    prove(claims, "The file is whole and undamaged.");
    leave_open(claims,
               "That the answer is complete: this file does not prove that no event was left out.");
    if (report->cut) {
        leave_open(
            claims,
            "Events after the last one: a limit or the server's budget ended the answer early.");
    }
    leave_open(
        claims,
        "That the question is the one you asked: no log signs it. Compare it with the one above.");
}

static void claim_complete(const struct stele_verify_report *report,
                           struct stele_verify_claims *claims) {
    const struct stele_complete_report *proof = &report->complete.proof;
    bool by_log = true;
    for (size_t i = 0; i < proof->n_logs; i++) {
        by_log = by_log && proof->log[i].by_log;
    }
    prove(claims, "Each log's checkpoint is signed with a key you gave.");
    if (proof->counted) {
        prove(claims,
              "The number of events: the indexes list so many that the question asks for and that "
              "were logged before the time above, and no other.");
        leave_open(claims,
                   "What the events are, and that each one counted is in its log and has the key: "
                   "the index alone says so.");
    } else if (report->n_events > 0) {
        prove(claims,
              by_log
                  ? "Each event is in its log, byte for byte, at its place and with its log time."
                  : "Each event is in its log or in its log's index, which the log signs, byte "
                    "for byte (inclusion by index: see above).");
        prove(claims,
              "Each event is one the question asks for, none stands twice, and they are in order.");
    }
    prove(
        claims,
        proof->counted ? "No event was left out of the number that the logs' indexes list"
        : proof->n_gaps == 0
            ? "The answer is complete: the logs' indexes list no other event that the question "
              "asks for and that was logged before the time above."
            : "The answer is complete except for the gaps above: else the logs' indexes list no "
              "other event that the question asks for and that was logged before the time above.");
    prove(claims, proof->whole_region ? "The logs are all that the region's system log lists."
                                      : "The logs are those that the question names.");
    prove(claims, "The file is whole and undamaged.");
    if (!by_log && !proof->counted) {
        leave_open(claims,
                   "That every event of the logs marked 'by index' is in its log, too: the index "
                   "could list one that is not. Ask with --strict.");
    }
    if (report->complete.quorum > 0) {
        prove(
            claims,
            "Each log's checkpoint bears the cosignatures of as many witnesses as you asked for.");
    }
    if (report->complete.remembered && report->complete.n_unconnected == 0) {
        prove(claims, "Each log extends what your state file remembers of it, or is the same.");
    }
    if (report->complete.n_unconnected > 0) {
        leave_open(
            claims,
            "That a log which is larger than your state file remembers has grown out of that: "
            "the file has no consistency proof from there.");
    }
    leave_open(claims, "Events logged later than the time above.");
    leave_open(claims,
               "That the indexes were rightly built, and name the newest state: `stele audit` "
               "builds them again and compares.");
    leave_open(
        claims,
        "That the question is the one you asked: no log signs it. Compare it with the one above.");
}

static void claim_receipt(const struct stele_verify_report *report,
                          struct stele_verify_claims *claims) {
    const struct stele_receipt_report *receipt = &report->receipt;
    bool is_event = receipt->entry.type == STELE_ENTRY_EVENT;
    prove(claims, "The log's checkpoint is signed with a key you gave.");
    prove(claims, "The entry is in that log, at its place and with its log time.");
    if (receipt->payload_checked) {
        prove(claims, "The event in the receipt is the one the entry commits to, byte for byte.");
    } else if (is_event) {
        leave_open(claims, "What the event says: the receipt does not carry it.");
    }
    if (receipt->tags_checked) {
        prove(claims, "The index keys in the receipt are the ones the entry commits to.");
    } else if (is_event) {
        leave_open(claims,
                   "Under which index keys the event is found: the receipt does not carry them.");
    }
}

void stele_verify__make_claims(const struct stele_verify_report *report,
                               struct stele_verify_claims *claims) {
    memset(claims, 0, sizeof *claims);
    switch (report->kind) {
    case STELE_PROOF_ANSWER:
        claim_answer(report, claims);
        break;
    case STELE_PROOF_COMPLETE:
        claim_complete(report, claims);
        break;
    case STELE_PROOF_RECEIPT:
        claim_receipt(report, claims);
        break;
    }
    leave_open(claims, "That the log's clock was right: log times are its operator's word.");
    if (report->complete.quorum == 0) {
        leave_open(claims,
                   "That everybody is shown the same log: compare sizes and roots with others, "
                   "or use witnesses.");
    }
}

static const char *kind_words(stele_proof_kind kind) {
    switch (kind) {
    case STELE_PROOF_RECEIPT:
        return "receipt";
    case STELE_PROOF_ANSWER:
        return "answer file";
    case STELE_PROOF_COMPLETE:
        return "complete answer";
    }
    return "unknown";
}

const char *stele_verify__gap_words(stele_gap_kind kind) {
    switch (kind) {
    case STELE_GAP_ERASED:
        return "erased";
    case STELE_GAP_DISPOSED:
        return "disposed of, its retention is over";
    case STELE_GAP_DISPOSED_SEGMENT:
        return "disposed of with the index, retention is over";
    case STELE_GAP_UNINDEXED:
        return "logged with an event map that lacks the field";
    }
    return "unknown";
}

const char *stele_verify__type_word(stele_entry_type type) {
    switch (type) {
    case STELE_ENTRY_EVENT:
        return "event";
    case STELE_ENTRY_INDEX:
        return "index";
    case STELE_ENTRY_CONTROL:
        return "control";
    }
    return "unknown";
}

/* ------------------------------------------------------------------ text */

static void print_claims(const struct stele_verify_claims *claims) {
    (void)printf("\nproved:\n");
    for (size_t i = 0; i < claims->n_proved; i++) {
        (void)printf("  + %s\n", claims->proved[i]);
    }
    (void)printf("not proved:\n");
    for (size_t i = 0; i < claims->n_open; i++) {
        (void)printf("  - %s\n", claims->open[i]);
    }
}

static stele_status print_question(const struct stele_question *question, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = stele_question_print(question, &text, err);
    if (st == STELE_OK) {
        (void)printf("question:\n");
        const char *line = (const char *)text.data;
        const char *end = line + text.size;
        while (line < end) {
            const char *stop = memchr(line, '\n', (size_t)(end - line));
            size_t size = (size_t)((stop == NULL ? end : stop) - line);
            (void)printf("  %.*s\n", (int)size, line);
            line += size + 1;
        }
    }
    stele_buf_done(&text);
    return st;
}

static void print_logs(const struct stele_verify_report *report) {
    for (size_t i = 0; i < report->n_logs; i++) {
        const struct stele_verify_log *log = &report->log[i];
        (void)printf("  %s: %" PRIu64 " of %" PRIu64 " entries", log->origin, log->n_events,
                     log->size_leaves);
        if (log->n_events > 0 && !report->complete.proof.counted) {
            char first[STELE_UTC_TEXT_BYTES];
            char last[STELE_UTC_TEXT_BYTES];
            stele_utc_of_us(log->first_time_us, first);
            stele_utc_of_us(log->last_time_us, last);
            (void)printf(", logged %s to %s", first, last);
        }
        (void)printf("\n");
    }
}

static void print_gap(const struct stele_verify_report *report,
                      const struct stele_complete_gap *gap) {
    (void)printf("  %s: ", report->log[gap->log].origin);
    if (gap->hi - gap->lo == 1) {
        (void)printf("entry %" PRIu64, gap->lo);
    } else {
        (void)printf("entries %" PRIu64 " to %" PRIu64, gap->lo, gap->hi - 1);
    }
    (void)printf(", %s\n", stele_verify__gap_words(gap->kind));
}

static void print_complete(const struct stele_verify_report *report) {
    const struct stele_complete_report *proof = &report->complete.proof;
    char time[STELE_UTC_TEXT_BYTES];
    stele_utc_of_us(proof->complete_until_us, time);
    (void)printf("complete: %s%s before %s\n", proof->n_gaps == 0 ? "" : "except for gaps, ",
                 "everything as logged", time);
    for (size_t i = 0; i < proof->n_logs; i++) {
        const struct stele_complete_log_report *log = &proof->log[i];
        stele_utc_of_us(log->complete_until_us, time);
        (void)printf("  %s: index covers %" PRIu64 " entries, until %s, inclusion by %s\n",
                     report->log[i].origin, log->covered_leaves, time,
                     log->by_log ? "log" : "index");
    }
    if (proof->n_gaps > 0) {
        (void)printf("gaps: %" PRIu64 "\n", proof->n_gaps);
    }
    for (size_t i = 0; i < report->complete.n_gaps; i++) {
        print_gap(report, &report->complete.gap[i]);
    }
    if (report->complete.n_gaps < proof->n_gaps) {
        (void)printf("  and %" PRIu64 " more\n", proof->n_gaps - report->complete.n_gaps);
    }
}

static stele_status print_answer(const struct stele_verify_report *report, stele_err *err) {
    stele_status st = print_question(&report->question, err);
    if (st == STELE_OK) {
        (void)printf("answer: %" PRIu64 " event%s%s%s\n", report->n_events,
                     report->n_events == 1 ? "" : "s",
                     report->complete.proof.counted ? ", counted and not shown" : "",
                     report->cut ? ", cut short by a limit or the server's budget" : "");
        print_logs(report);
        if (report->kind == STELE_PROOF_COMPLETE) {
            print_complete(report);
        }
    }
    return st;
}

static void print_receipt(const struct stele_verify_report *report,
                          const struct stele_verify_shown *shown) {
    const struct stele_receipt_report *receipt = &report->receipt;
    const struct stele_entry *entry = &receipt->entry;
    char root[2 * STELE_HASH_BYTES + 1];
    char time[STELE_UTC_TEXT_BYTES];
    stele_hex_encode(stele_view_of(receipt->checkpoint.root, STELE_HASH_BYTES), root);
    stele_utc_of_us(entry->time_us, time);
    (void)printf("log: %s\n  size: %" PRIu64 "\n  root: %s\n", receipt->checkpoint.origin,
                 receipt->checkpoint.size_leaves, root);
    (void)printf("entry: %" PRIu64 ", %s, logged %s\n", entry->seq,
                 stele_verify__type_word(entry->type), time);
    if (entry->type != STELE_ENTRY_EVENT) {
        return;
    }
    stele_utc_of_us(entry->as.event.event_us, time);
    (void)printf("  happened: %s%s\n  kept: %u year%s\n", time,
                 entry->as.event.late ? ", logged more than a day late" : "",
                 entry->as.event.retention_years, entry->as.event.retention_years == 1 ? "" : "s");
    if (shown->any) {
        (void)printf("event: %s of tenant %s: %s, %s, %s\n", shown->event_id, shown->tenant,
                     shown->event_type, shown->action, shown->outcome);
    }
}

stele_status stele_verify_print_text(const char *name, const struct stele_verify_report *report,
                                     const struct stele_verify_shown *shown, stele_err *err) {
    struct stele_verify_claims claims;
    stele_status st = STELE_OK;
    stele_verify__make_claims(report, &claims);
    bool answer = report->kind != STELE_PROOF_RECEIPT;
    (void)printf("VERIFIED: %s (%s)\n\n", name, kind_words(report->kind));
    if (answer) {
        st = print_answer(report, err);
    } else {
        print_receipt(report, shown);
    }
    if (st == STELE_OK) {
        print_claims(&claims);
    }
    return st;
}
