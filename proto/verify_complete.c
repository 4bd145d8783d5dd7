/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/verify_complete.c: complete answers. Storage proves the complete history of one key of one
 * tenant; this file tells it what the question and the events are, and drops events that have that
 * key and not what else is asked for.
 */
#include "proto/verify_parts.h"

#include <inttypes.h>
#include <string.h>

#define FIELDS_V1 UINT32_C(0x7fffe) /* 1 to 18 */

static stele_status on_question(void *ctx, stele_view bytes, struct stele_complete_question *ret,
                                stele_err *err) {
    struct stele_verifier *v = ctx;
    struct stele_question *question = &v->report.question;
    stele_status st = stele_question_decode(bytes, question, err);
    if (st != STELE_OK) {
        return st;
    }
    const struct stele_event_filter *filter = &question->filter;
    uint64_t until = filter->until_unix_nano;
    ret->tenant = stele_view_buf(&filter->tenant);
    ret->names_logs = question->n_logs > 0;
    ret->range = (struct stele_time_range){
        .logged_since_us = filter->logged_since_us,
        .logged_until_us = filter->logged_until_us,
        .since_us = filter->since_unix_nano / 1000,
        .until_us = until == UINT64_MAX ? UINT64_MAX : until / 1000 + (until % 1000 > 0 ? 1 : 0)};
    return STELE_OK;
}

static stele_status on_condition(void *ctx, uint8_t number, struct stele_complete_key *ret,
                                 stele_err *err) {
    const struct stele_verifier *v = ctx;
    const struct stele_event_filter *filter = &v->report.question.filter;
    if (number >= filter->n_conditions ||
        !stele_event_condition_is_indexed(&filter->condition[number])) {
        return STELE_FAIL(
            err, INVALID,
            "answer: it opens condition %u of a question with %zu, or one without an index "
            "key",
            number, filter->n_conditions);
    }
    ret->field = filter->condition[number].field;
    ret->value = stele_view_buf(&filter->condition[number].value);
    return STELE_OK;
}

static stele_status on_event(void *ctx, const struct stele_answer_event *event,
                             const struct stele_event_facts *facts, stele_err *err) {
    struct stele_verifier *v = ctx;
    const struct stele_question *question = &v->report.question;
    stele_status st = stele_verify__check_event(event, facts, err);
    if (st != STELE_OK ||
        !stele_event_filter_matches(&question->filter, facts, event->entry.time_us)) {
        return st;
    }
    stele_verify__note_event(&v->report, event->log, event->entry.time_us);
    if (question->limit != 0 && v->report.n_events > question->limit) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: it has more than the %" PRIu64 " events the question asks for",
                          question->limit);
    }
    return v->event == NULL ? STELE_OK : v->event(v->ctx, event, err);
}

static stele_status on_gap(void *ctx, const struct stele_complete_gap *gap, stele_err *err) {
    struct stele_verifier *v = ctx;
    struct stele_verify_complete *complete = &v->report.complete;
    (void)err;
    if (complete->n_gaps < STELE_VERIFY_GAPS_MAX) {
        complete->gap[complete->n_gaps++] = *gap;
    }
    return STELE_OK;
}

stele_status stele_verify__new_complete(struct stele_verifier *v, stele_err *err) {
    const struct stele_complete_sink sink = {.ctx = v,
                                             .question = on_question,
                                             .condition = on_condition,
                                             .log = stele_verify__on_log,
                                             .event = on_event,
                                             .gap = on_gap};
    v->map = (struct stele_complete_map){.map = stele_event_map_current(), .fields = FIELDS_V1};
    const struct stele_complete_trust trust = {
        .keys = v->keys, .n_keys = v->n_keys, .maps = &v->map, .n_maps = 1};
    return stele_complete_reader_new(&trust, &sink, &v->complete, err);
}

stele_status stele_verify__end_complete(struct stele_verifier *v, stele_err *err) {
    stele_status st = stele_complete_reader_end(v->complete, &v->report.complete.proof, err);
    return st == STELE_OK ? stele_verify__check_logs(v, err) : st;
}
