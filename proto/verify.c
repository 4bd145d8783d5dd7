/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/verify.c: joins storage's proof readers with the event map. Storage says "these bytes are
 * what the signed log committed to"; this file says "and they are an event that the question asks
 * for".
 */
#include "proto/verify.h"

#include <inttypes.h>
#include <string.h>

#include "proto/event.h"
#include "proto/question_format.h"

struct stele_verifier {
    const struct stele_vkey *keys;
    size_t n_keys;
    stele_verify_event_fn event;
    void *ctx;
    bool has_kind;
    bool refused;                       /* by the first byte: no later one can make it a proof */
    stele_buf receipt;                  /* its text so far */
    struct stele_answer_reader *answer; /* NULL for a receipt */
    struct stele_verify_report report;
    bool log_seen[STELE_ANSWER_LOGS_MAX]; /* by the question's list */
    struct stele_event_facts facts;
};

void stele_verify_report_done(struct stele_verify_report *report) {
    stele_question_done(&report->question);
}

void stele_verifier_free(struct stele_verifier *v) {
    if (v == NULL) {
        return;
    }
    stele_buf_done(&v->receipt);
    stele_answer_reader_free(v->answer);
    stele_question_done(&v->report.question);
    stele_free(v);
}

/* ------------------------------------------------------------------ what holds of every event */

struct origin_parts {
    stele_view domain;
    stele_view region;
    stele_view log;
};

/* "<domain>/<region>/<log>", three parts that are not empty. */
static stele_status split_origin(const char *origin, struct origin_parts *ret, stele_err *err) {
    const char *first = strchr(origin, '/');
    const char *last = strrchr(origin, '/');
    if (first == last) { /* none, or only one */
        return STELE_FAIL(err, INVALID, "origin '%.80s' is not <domain>/<region>/<log>", origin);
    }
    ret->domain = stele_view_of(origin, (size_t)(first - origin));
    ret->region = stele_view_of(first + 1, (size_t)(last - first - 1));
    ret->log = stele_view_str(last + 1);
    if (ret->domain.size == 0 || ret->region.size == 0 || ret->log.size == 0 ||
        memchr(ret->region.data, '/', ret->region.size) != NULL) {
        return STELE_FAIL(err, INVALID, "origin '%.80s' is not <domain>/<region>/<log>", origin);
    }
    return STELE_OK;
}

/* The entry's own fields against the event: its time, its class, and the region it may be kept in.
 */
static stele_status check_event(struct stele_verifier *v, const struct stele_entry *entry,
                                const char *origin, stele_view payload, stele_err *err) {
    struct stele_event_head head;
    struct origin_parts parts;
    stele_status st = STELE_OK;
    STELE_TRY(split_origin(origin, &parts, err));
    STELE_TRY(stele_event_check(payload, &head, err));
    STELE_TRY(stele_event_map_v1(NULL, payload, &v->facts, err));
    if (entry->era / 100 != stele_entry_month(entry->time_us)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "event %" PRIu64 " of '%.80s': its era %" PRIu32
                          " is not of the month of its "
                          "log time",
                          entry->seq, origin, entry->era);
    }
    if (v->facts.event_us != entry->as.event.event_us) {
        return STELE_FAIL(err, UNVERIFIED,
                          "event %" PRIu64 " of '%.80s': its entry says it happened at %" PRIu64
                          " us, its payload %" PRIu64 " us",
                          entry->seq, origin, entry->as.event.event_us, v->facts.event_us);
    }
    if (head.retention_class != 0 && head.retention_class != entry->as.event.retention_years) {
        return STELE_FAIL(err, UNVERIFIED,
                          "event %" PRIu64 " of '%.80s': it asked for %" PRIu32 " years, its entry "
                          "says %u",
                          entry->seq, origin, head.retention_class,
                          entry->as.event.retention_years);
    }
    if (!stele_view_equal(head.region, parts.region)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "event %" PRIu64 " of '%.80s' may be kept in another region only",
                          entry->seq, origin);
    }
cleanup:
    return st;
}

static void note_event(struct stele_verify_report *report, size_t log, uint64_t time_us) {
    struct stele_verify_log *of = &report->log[log];
    if (of->n_events++ == 0) {
        of->first_time_us = time_us;
    }
    of->last_time_us = time_us;
    report->n_events++;
}

static void note_log(struct stele_verify_report *report,
                     const struct stele_checkpoint *checkpoint) {
    struct stele_verify_log *log = &report->log[report->n_logs++];
    memcpy(log->origin, checkpoint->origin, sizeof log->origin);
    log->size_leaves = checkpoint->size_leaves;
}

/* ------------------------------------------------------------------ answers */

static stele_status on_question(void *ctx, stele_view question, stele_err *err) {
    struct stele_verifier *v = ctx;
    return stele_question_decode(question, &v->report.question, err);
}

static stele_status on_log(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
                           stele_err *err) {
    struct stele_verifier *v = ctx;
    const struct stele_question *question = &v->report.question;
    struct origin_parts parts;
    (void)log; /* they come in order */
    stele_status st = split_origin(checkpoint->origin, &parts, err);
    if (st != STELE_OK) {
        return st;
    }
    if (!stele_view_equal(parts.region, stele_view_buf(&question->region))) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: log '%.80s' is of another region than the question's",
                          checkpoint->origin);
    }
    bool asked = question->n_logs == 0;
    for (size_t i = 0; i < question->n_logs; i++) {
        if (stele_view_equal(parts.log, stele_view_buf(&question->log[i]))) {
            v->log_seen[i] = true;
            asked = true;
        }
    }
    if (!asked) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: log '%.80s' is none of those the question names",
                          checkpoint->origin);
    }
    note_log(&v->report, checkpoint);
    return STELE_OK;
}

static stele_status on_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct stele_verifier *v = ctx;
    const struct stele_question *question = &v->report.question;
    const struct stele_entry *entry = &event->entry;
    stele_status st = check_event(v, entry, event->checkpoint->origin, event->payload, err);
    if (st != STELE_OK) {
        return st;
    }
    if (!stele_event_filter_matches(&question->filter, &v->facts, entry->time_us)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: event %" PRIu64
                          " of '%.80s' is in the log, but it is not what the "
                          "question asks for",
                          entry->seq, event->checkpoint->origin);
    }
    note_event(&v->report, event->log, entry->time_us);
    if (question->limit != 0 && v->report.n_events > question->limit) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: it has more than the %" PRIu64 " events the question asks for",
                          question->limit);
    }
    return v->event == NULL ? STELE_OK : v->event(v->ctx, event, err);
}

static stele_status end_answer(struct stele_verifier *v, stele_err *err) {
    const struct stele_question *question = &v->report.question;
    struct stele_answer_report report;
    stele_status st = stele_answer_reader_end(v->answer, &report, err);
    if (st != STELE_OK) {
        return st;
    }
    for (size_t i = 0; i < question->n_logs; i++) {
        if (!v->log_seen[i]) {
            return STELE_FAIL(err, UNVERIFIED,
                              "answer: the question names log '%.*s', the answer does not have it",
                              (int)question->log[i].size, question->log[i].data);
        }
    }
    v->report.cut = report.cut;
    return STELE_OK;
}

/* ------------------------------------------------------------------ receipts */

static stele_status end_receipt(struct stele_verifier *v, stele_err *err) {
    struct stele_verify_report *report = &v->report;
    struct stele_receipt receipt;
    stele_buf scratch = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_receipt_decode(stele_view_buf(&v->receipt), &scratch, &receipt, err));
    STELE_TRY(stele_receipt_verify(&receipt, stele_view_of(NULL, 0), v->keys, v->n_keys,
                                   &report->receipt, err));
    note_log(report, &report->receipt.checkpoint);
    if (report->receipt.entry.type == STELE_ENTRY_EVENT) {
        note_event(report, 0, report->receipt.entry.time_us);
    }
    if (report->receipt.payload_checked) {
        const struct stele_answer_event event = {0, &report->receipt.checkpoint,
                                                 report->receipt.entry, receipt.payload};
        STELE_TRY(check_event(v, &event.entry, event.checkpoint->origin, event.payload, err));
        if (v->event != NULL) {
            STELE_TRY(v->event(v->ctx, &event, err));
        }
    }
cleanup:
    stele_buf_done(&scratch);
    return st;
}

/* ------------------------------------------------------------------ both */

stele_status stele_verifier_new(const struct stele_vkey *keys, size_t n_keys,
                                stele_verify_event_fn event, void *ctx, struct stele_verifier **ret,
                                stele_err *err) {
    struct stele_verifier *v = stele_alloc(1, sizeof *v);
    if (v == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a verifier");
    }
    v->keys = keys;
    v->n_keys = n_keys;
    v->event = event;
    v->ctx = ctx;
    stele_question_init(&v->report.question);
    *ret = v;
    return STELE_OK;
}

/* The first byte tells the two kinds apart; the readers look at the rest of the first line. */
static stele_status choose_kind(struct stele_verifier *v, uint8_t first, stele_err *err) {
    const struct stele_answer_sink sink = {v, on_question, on_log, on_event};
    if (first != 'c' && first != 's') {
        v->refused = true;
        return STELE_FAIL(err, INVALID,
                          "neither a receipt nor an answer file: those begin with "
                          "'c2sp.org/tlog-proof@v1' or 'stele/answer@v1'");
    }
    if (first == 's') {
        stele_status st = stele_answer_reader_new(v->keys, v->n_keys, &sink, &v->answer, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    v->report.kind = first == 's' ? STELE_PROOF_ANSWER : STELE_PROOF_RECEIPT;
    v->has_kind = true;
    return STELE_OK;
}

stele_status stele_verifier_feed(struct stele_verifier *v, stele_view bytes, stele_err *err) {
    if (bytes.size == 0) {
        return STELE_OK;
    }
    if (!v->has_kind) {
        stele_status st = choose_kind(v, v->refused ? 0 : bytes.data[0], err);
        if (st != STELE_OK) {
            return st;
        }
    }
    if (v->answer != NULL) {
        return stele_answer_reader_feed(v->answer, bytes, err);
    }
    /* One byte too many is enough for the decoder to refuse the text for its size. */
    size_t room = STELE_RECEIPT_BYTES_MAX + 1 - v->receipt.size;
    return stele_buf_append(&v->receipt,
                            stele_view_slice(bytes, 0, bytes.size < room ? bytes.size : room), err);
}

stele_status stele_verifier_end(struct stele_verifier *v, struct stele_verify_report *ret,
                                stele_err *err) {
    if (!v->has_kind) {
        return STELE_FAIL(err, INVALID,
                          "an empty file, or one that is neither a receipt nor an answer file");
    }
    stele_status st = v->answer != NULL ? end_answer(v, err) : end_receipt(v, err);
    if (st == STELE_OK) {
        *ret = v->report;
        stele_question_init(&v->report.question); /* given away */
    }
    return st;
}
