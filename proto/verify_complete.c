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

/* What a number can say: how many events have one key, at times in whole microseconds. */
static stele_status on_counted(void *ctx, uint8_t condition, stele_err *err) {
    const struct stele_verifier *v = ctx;
    const struct stele_question *question = &v->report.question;
    const struct stele_event_filter *filter = &question->filter;
    bool whole = condition == STELE_COMPLETE_WHOLE_TENANT;
    bool open_end = filter->until_unix_nano == UINT64_MAX;
    if (filter->n_conditions != (whole ? 0u : 1u) || question->limit != 0 ||
        filter->since_unix_nano % 1000 != 0 || (!open_end && filter->until_unix_nano % 1000 != 0)) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "answer: it is a number, and the question has several conditions, a limit "
            "or parts of a microsecond: that number would be another one");
    }
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

/* A log that is larger than what is remembered is not taken for its growth without a proof: what is
 * remembered stays, and stays to be compared with. */
static stele_status on_log(void *ctx, uint8_t log, const struct stele_checkpoint *checkpoint,
                           stele_err *err) {
    struct stele_verifier *v = ctx;
    stele_status st = stele_verify__on_log(ctx, log, checkpoint, err);
    if (st != STELE_OK || v->state == NULL) {
        return st;
    }
    const struct stele_checkpoint *known = stele_verify_state_head(v->state, checkpoint->origin);
    STELE_TRY(stele_verify_state_check_head(v->state, checkpoint, err));
    if (known == NULL) {
        STELE_TRY(stele_verify_state_put_head(v->seen, checkpoint, err));
    } else if (known->size_leaves < checkpoint->size_leaves) {
        v->unconnected[log] = true;
    }
cleanup:
    return st;
}

/* A proof that the log grew out of what is remembered of it. */
static stele_status on_consistency(void *ctx, uint8_t log,
                                   const struct stele_checkpoint *checkpoint, uint64_t old_leaves,
                                   stele_view proof, stele_err *err) {
    struct stele_verifier *v = ctx;
    const struct stele_checkpoint *known =
        v->state == NULL ? NULL : stele_verify_state_head(v->state, checkpoint->origin);
    if (known == NULL || known->size_leaves != old_leaves || !v->unconnected[log]) {
        return STELE_OK; /* for somebody else's state */
    }
    if (stele_tree_check_consistency(old_leaves, checkpoint->size_leaves, proof.data,
                                     proof.size / STELE_HASH_BYTES, known->root, checkpoint->root,
                                     NULL) != STELE_OK) {
        return STELE_FAIL(err, UNVERIFIED,
                          "log '%.80s': its %" PRIu64 " entries did not grow out of the %" PRIu64
                          " that your state file knows: two histories are shown; keep both files",
                          checkpoint->origin, checkpoint->size_leaves, old_leaves);
    }
    v->unconnected[log] = false;
    return stele_verify_state_put_head(v->seen, checkpoint, err);
}

static stele_status on_epoch(void *ctx, const struct stele_complete_epoch *epoch, stele_err *err) {
    struct stele_verifier *v = ctx;
    const char *origin = v->report.log[epoch->log].origin;
    if (v->state == NULL) {
        return STELE_OK;
    }
    stele_status st =
        stele_verify_state_check_epoch(v->state, origin, epoch->era, epoch->tag_key_commit, err);
    return st == STELE_OK ? stele_verify_state_put_epoch(v->seen, origin, epoch->era,
                                                         epoch->tag_key_commit, err)
                          : st;
}

stele_status stele_verify__new_complete(struct stele_verifier *v, stele_err *err) {
    const struct stele_complete_sink sink = {.ctx = v,
                                             .question = on_question,
                                             .condition = on_condition,
                                             .counted = on_counted,
                                             .log = on_log,
                                             .consistency = on_consistency,
                                             .epoch = on_epoch,
                                             .event = on_event,
                                             .gap = on_gap};
    v->map = (struct stele_complete_map){.map = stele_event_map_current(), .fields = FIELDS_V1};
    const struct stele_complete_trust trust = {.keys = v->keys,
                                               .n_keys = v->n_keys,
                                               .maps = &v->map,
                                               .n_maps = 1,
                                               .witnesses = v->witnesses,
                                               .n_witnesses = v->n_witnesses,
                                               .quorum = v->quorum};
    stele_status st = v->state == NULL ? STELE_OK : stele_verify_state_new(&v->seen, err);
    return st == STELE_OK ? stele_complete_reader_new(&trust, &sink, &v->complete, err) : st;
}

stele_status stele_verify__end_complete(struct stele_verifier *v, stele_err *err) {
    struct stele_verify_complete *complete = &v->report.complete;
    stele_status st = STELE_OK;
    STELE_TRY(stele_complete_reader_end(v->complete, &complete->proof, err));
    STELE_TRY(stele_verify__check_logs(v, err));
    for (size_t i = 0; complete->proof.counted && i < v->report.n_logs; i++) {
        v->report.log[i].n_events = complete->proof.log[i].n_events;
        v->report.n_events += complete->proof.log[i].n_events;
    }
    complete->quorum = v->quorum;
    complete->remembered = v->state != NULL;
    for (size_t i = 0; i < v->report.n_logs; i++) {
        complete->n_unconnected += v->unconnected[i];
    }
    if (v->state != NULL) {
        STELE_TRY(stele_verify_state_merge(v->state, v->seen, err));
    }
cleanup:
    return st;
}
