/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/verify.c: joins storage's proof readers with the event map. Storage says "these bytes are
 * what the signed log committed to"; this file says "and they are an event that the question asks
 * for".
 */
#include "proto/verify_parts.h"

#include <inttypes.h>
#include <string.h>

#include "proto/event.h"
#include "proto/question_format.h"

void stele_verify_report_done(struct stele_verify_report *report) {
    stele_question_done(&report->question);
}

void stele_verifier_free(struct stele_verifier *v) {
    if (v == NULL) {
        return;
    }
    stele_buf_done(&v->text);
    stele_answer_reader_free(v->answer);
    stele_complete_reader_free(v->complete);
    stele_verify_state_free(v->seen);
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

stele_status stele_verify__check_event(const struct stele_answer_event *event,
                                       const struct stele_event_facts *facts, stele_err *err) {
    const struct stele_entry *entry = &event->entry;
    const char *origin = event->checkpoint->origin;
    struct stele_event_head head;
    struct origin_parts parts;
    stele_status st = STELE_OK;
    STELE_TRY(split_origin(origin, &parts, err));
    STELE_TRY(stele_event_check(event->payload, &head, err));
    if (entry->era / 100 != stele_entry_month(entry->time_us)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "event %" PRIu64 " of '%.80s': its era %" PRIu32
                          " is not of the month of its "
                          "log time",
                          entry->seq, origin, entry->era);
    }
    if (facts->event_us != entry->as.event.event_us) {
        return STELE_FAIL(err, UNVERIFIED,
                          "event %" PRIu64 " of '%.80s': its entry says it happened at %" PRIu64
                          " us, its payload %" PRIu64 " us",
                          entry->seq, origin, entry->as.event.event_us, facts->event_us);
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

void stele_verify__note_event(struct stele_verify_report *report, size_t log, uint64_t time_us) {
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

stele_status stele_verify__on_log(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
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
    stele_status st = stele_event_map_v1(NULL, event->payload, &v->facts, err);
    if (st == STELE_OK) {
        st = stele_verify__check_event(event, &v->facts, err);
    }
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
    stele_verify__note_event(&v->report, event->log, entry->time_us);
    if (question->limit != 0 && v->report.n_events > question->limit) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: it has more than the %" PRIu64 " events the question asks for",
                          question->limit);
    }
    return v->event == NULL ? STELE_OK : v->event(v->ctx, event, err);
}

stele_status stele_verify__check_logs(const struct stele_verifier *v, stele_err *err) {
    const struct stele_question *question = &v->report.question;
    for (size_t i = 0; i < question->n_logs; i++) {
        if (!v->log_seen[i]) {
            return STELE_FAIL(err, UNVERIFIED,
                              "answer: the question names log '%.*s', the answer does not have it",
                              (int)question->log[i].size, question->log[i].data);
        }
    }
    return STELE_OK;
}

static stele_status end_answer(struct stele_verifier *v, stele_err *err) {
    struct stele_answer_report report;
    stele_status st = stele_answer_reader_end(v->answer, &report, err);
    if (st == STELE_OK) {
        st = stele_verify__check_logs(v, err);
    }
    if (st == STELE_OK) {
        v->report.cut = report.cut;
    }
    return st;
}

/* ------------------------------------------------------------------ receipts */

static stele_status end_receipt(struct stele_verifier *v, stele_err *err) {
    struct stele_verify_report *report = &v->report;
    struct stele_receipt receipt;
    stele_buf scratch = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_receipt_decode(stele_view_buf(&v->text), &scratch, &receipt, err));
    STELE_TRY(stele_receipt_verify(&receipt, stele_view_of(NULL, 0), v->keys, v->n_keys,
                                   &report->receipt, err));
    note_log(report, &report->receipt.checkpoint);
    if (report->receipt.entry.type == STELE_ENTRY_EVENT) {
        stele_verify__note_event(report, 0, report->receipt.entry.time_us);
    }
    if (report->receipt.payload_checked) {
        const struct stele_answer_event event = {0, &report->receipt.checkpoint,
                                                 report->receipt.entry, receipt.payload};
        STELE_TRY(stele_event_map_v1(NULL, event.payload, &v->facts, err));
        STELE_TRY(stele_verify__check_event(&event, &v->facts, err));
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

void stele_verifier_require_witnesses(struct stele_verifier *v,
                                      const struct stele_witness *witnesses, size_t n,
                                      size_t quorum) {
    v->witnesses = witnesses;
    v->n_witnesses = n;
    v->quorum = quorum;
}

void stele_verifier_remember(struct stele_verifier *v, struct stele_verify_state *state) {
    v->state = state;
}

/* The first byte tells receipts and answers apart, the first line the versions of answers; the
 * readers look at the rest. */
static stele_status choose_kind(struct stele_verifier *v, uint8_t first, stele_err *err) {
    if (first != 'c' && first != 's') {
        v->refused = true;
        return STELE_FAIL(err, INVALID,
                          "neither a receipt nor an answer file: those begin with "
                          "'c2sp.org/tlog-proof@v1' or 'stele/answer@v'");
    }
    v->report.kind = first == 's' ? STELE_PROOF_ANSWER : STELE_PROOF_RECEIPT;
    v->has_kind = true;
    return STELE_OK;
}

static bool is_answer(const struct stele_verifier *v) {
    return v->report.kind != STELE_PROOF_RECEIPT;
}

/* Makes the reader for the first line in v->text, and gives it that line. */
static stele_status choose_reader(struct stele_verifier *v, stele_err *err) {
    const struct stele_answer_sink sink = {v, on_question, stele_verify__on_log, on_event};
    stele_view line = stele_view_buf(&v->text);
    stele_status st = STELE_OK;
    if (stele_view_is(line, STELE_VERIFY_COMPLETE_LINE)) {
        v->report.kind = STELE_PROOF_COMPLETE;
        STELE_TRY(stele_verify__new_complete(v, err));
        STELE_TRY(stele_complete_reader_feed(v->complete, line, err));
    } else {
        STELE_TRY(stele_answer_reader_new(v->keys, v->n_keys, &sink, &v->answer, err));
        STELE_TRY(stele_answer_reader_feed(v->answer, line, err));
    }
cleanup:
    if (v->complete == NULL && v->answer == NULL) { /* no memory: nothing can read on */
        v->has_kind = false;
        v->refused = true;
    }
    return st;
}

static stele_status feed_answer(struct stele_verifier *v, stele_view bytes, stele_err *err) {
    size_t missing = strlen(STELE_VERIFY_COMPLETE_LINE) - v->text.size;
    stele_status st = STELE_OK;
    if (missing > 0) {
        size_t taken = missing < bytes.size ? missing : bytes.size;
        STELE_TRY(stele_buf_append(&v->text, stele_view_slice(bytes, 0, taken), err));
        if (taken < missing) {
            return STELE_OK;
        }
        STELE_TRY(choose_reader(v, err));
        bytes = stele_view_slice(bytes, taken, bytes.size - taken);
    }
    STELE_TRY(v->complete != NULL ? stele_complete_reader_feed(v->complete, bytes, err)
                                  : stele_answer_reader_feed(v->answer, bytes, err));
cleanup:
    return st;
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
    if (is_answer(v)) {
        return feed_answer(v, bytes, err);
    }
    /* One byte too many is enough for the decoder to refuse the text for its size. */
    size_t room = STELE_RECEIPT_BYTES_MAX + 1 - v->text.size;
    return stele_buf_append(&v->text,
                            stele_view_slice(bytes, 0, bytes.size < room ? bytes.size : room), err);
}

stele_status stele_verifier_end(struct stele_verifier *v, struct stele_verify_report *ret,
                                stele_err *err) {
    if (!v->has_kind) {
        return STELE_FAIL(err, INVALID,
                          "an empty file, or one that is neither a receipt nor an answer file");
    }
    stele_status st = STELE_OK;
    if (v->complete == NULL && (v->quorum > 0 || v->state != NULL)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "witnesses and a state file are for complete answers; this file is none");
    }
    if (!is_answer(v)) {
        STELE_TRY(end_receipt(v, err));
    } else if (v->complete != NULL) {
        STELE_TRY(stele_verify__end_complete(v, err));
    } else if (v->answer != NULL) {
        STELE_TRY(end_answer(v, err));
    } else {
        return STELE_FAIL(err, INVALID,
                          "answer: the file stops after %zu bytes, before its end: it was cut off, "
                          "transfer it again",
                          v->text.size);
    }
    *ret = v->report;
    stele_question_init(&v->report.question); /* given away */
cleanup:
    return st;
}
