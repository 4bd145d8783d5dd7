/* SPDX-License-Identifier: Apache-2.0 */
/* query/complete_log.c: what one log has to show, from its manifest and its segments. */
#include "query/complete_parts.h"

#include <string.h>

#include "query/plan.h"

/* ------------------------------------------------------------------ what is opened */

static const struct stele_event_condition *first_indexed(const struct stele_event_filter *filter) {
    for (size_t i = 0; i < filter->n_conditions; i++) {
        if (stele_event_condition_is_indexed(&filter->condition[i])) {
            return &filter->condition[i];
        }
    }
    return NULL;
}

/* The one that is asked for, or the rarest key; where the plan saw at once that nothing can match,
 * the first one there is. */
static stele_status choose_key(const struct stele_event_filter *filter,
                               struct stele_complete_log *log, struct stele_time_range *ret_range,
                               stele_err *err) {
    stele_view tenant = stele_view_buf(&filter->tenant);
    struct stele_plan *plan = stele_alloc(1, sizeof *plan);
    stele_status st =
        plan == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory to plan a proof") : STELE_OK;
    STELE_TRY(st);
    STELE_TRY(stele_plan_of(log->scope, filter, STELE_PLAN_TO_SEARCH, plan, err));
    const struct stele_event_condition *chosen = first_indexed(filter);
    if (log->open_condition > 0) {
        chosen = &filter->condition[log->open_condition - 1];
    } else if (plan->n_keys > 0) {
        chosen = plan->key[plan->chosen].condition;
    }
    log->condition = STELE_COMPLETE_WHOLE_TENANT;
    log->key = (struct stele_index_key){tenant, STELE_KEY_TENANT, {NULL, 0}};
    if (chosen != NULL) {
        log->condition = (uint8_t)(chosen - filter->condition);
        log->key = (struct stele_index_key){tenant, chosen->field, stele_view_buf(&chosen->value)};
    }
    *ret_range = plan->range;
cleanup:
    stele_free(plan);
    return st;
}

bool stele_complete__meets(const struct stele_complete_log *log, size_t segment, bool late) {
    return stele_windows_meet(&log->windows, late, &log->scope->manifest->descriptor[segment].info);
}

bool stele_complete__is_opened(const struct stele_complete_log *log, size_t segment) {
    return stele_complete__meets(log, segment, false) || stele_complete__meets(log, segment, true);
}

void stele_complete__tag(const struct stele_complete_log *log, size_t segment, bool late,
                         uint8_t ret[STELE_AT_LEAST(16)]) {
    uint32_t era = log->scope->manifest->descriptor[segment].info.era;
    size_t i = 0;
    while (log->era[i].era != era) {
        i++;
    }
    stele_tag_of(&log->era[i].key, log->key.tenant, log->key.field, log->key.value, late, ret);
}

/* From the last segment before every window, or the first of all, to the first one after, or the
 * last. */
static void choose_segments(struct stele_complete_log *log) {
    const struct stele_manifest *manifest = log->scope->manifest;
    log->end = manifest->n;
    while (log->first + 1 < manifest->n &&
           manifest->descriptor[log->first + 1].info.t_last < log->windows.least_us) {
        log->first++;
    }
    for (size_t i = log->first; !log->windows.by_event_time && i < manifest->n; i++) {
        if (manifest->descriptor[i].info.t_first >= log->windows.greatest_us) {
            log->end = i + 1;
            break;
        }
    }
    log->at = log->first;
}

stele_status stele_complete__seqs(const struct stele_complete_log *log,
                                  const struct stele_window *window, uint64_t *ret_from,
                                  uint64_t *ret_to, stele_err *err) {
    stele_status st = stele_log_view_seq_at(log->scope->view, window->start_us, ret_from, err);
    *ret_to = UINT64_MAX;
    return st == STELE_OK && window->end_us != UINT64_MAX
               ? stele_log_view_seq_at(log->scope->view, window->end_us, ret_to, err)
               : st;
}

stele_status stele_complete_log_open(const struct stele_scope_log *scope,
                                     const struct stele_event_filter *filter,
                                     struct stele_complete_log *ret, stele_err *err) {
    struct stele_time_range range;
    stele_status st = STELE_OK;
    ret->scope = scope;
    ret->stage[0] = ret->stage[1] = STELE_STAGE_OVER;
    STELE_TRY(stele_replay_new(scope->view, &ret->replay, err));
    STELE_TRY(choose_key(filter, ret, &range, err));
    stele_windows_of(&range, &ret->windows);
    for (int late = 0; late < 2; late++) {
        STELE_TRY(stele_complete__seqs(ret, &ret->windows.of[late], &ret->from[late],
                                       &ret->to[late], err));
    }
    choose_segments(ret);
cleanup:
    return st;
}

void stele_complete_log_done(struct stele_complete_log *log) {
    stele_opened_history_done(&log->history[0]);
    stele_opened_history_done(&log->history[1]);
    for (size_t i = 0; i < log->n_eras; i++) {
        stele_tag_key_done(&log->era[i].key);
    }
    stele_free(log->era);
    stele_replay_free(log->replay);
    memset(log, 0, sizeof *log);
}

/* ------------------------------------------------------------------ one entry after the other */

/* The seq that a history gives next; false if it has none left in this segment. */
static bool next_of(const struct stele_complete_log *log, int late, uint64_t *ret_seq) {
    const struct stele_opened_history *h = &log->history[late];
    switch (log->stage[late]) {
    case STELE_STAGE_LEFT:
        *ret_seq = h->left;
        return true;
    case STELE_STAGE_INSIDE:
        *ret_seq = h->next;
        return true;
    case STELE_STAGE_RIGHT:
        *ret_seq = h->right;
        return true;
    case STELE_STAGE_OVER:
        break;
    }
    return false;
}

/* The first stage from `stage` on that has an entry. */
static stele_history_stage stage_from(const struct stele_opened_history *h,
                                      stele_history_stage stage) {
    if (stage == STELE_STAGE_LEFT && !h->has_left) {
        stage = STELE_STAGE_INSIDE;
    }
    if (stage == STELE_STAGE_INSIDE && h->inside == NULL) {
        stage = STELE_STAGE_RIGHT;
    }
    return stage == STELE_STAGE_RIGHT && !h->has_right ? STELE_STAGE_OVER : stage;
}

static stele_status step_over(struct stele_complete_log *log, int late, stele_err *err) {
    struct stele_opened_history *h = &log->history[late];
    stele_history_stage stage = log->stage[late];
    stele_status st = STELE_OK;
    if (stage == STELE_STAGE_INSIDE) {
        st = stele_opened_history_advance(h, err);
    } else {
        stage = stage == STELE_STAGE_LEFT ? STELE_STAGE_INSIDE : STELE_STAGE_OVER;
    }
    log->stage[late] = stage_from(h, stage);
    return st;
}

static stele_status open_next_segment(struct stele_complete_log *log,
                                      struct stele_complete_writer *writer, stele_buf *out,
                                      stele_err *err) {
    stele_status st = STELE_OK;
    size_t segment = log->at++;
    if (stele_complete__is_opened(log, segment)) {
        st = stele_complete__open(log, segment, writer, out, err);
        for (int late = 0; late < 2; late++) {
            bool opened = log->history[late].count > 0;
            log->stage[late] =
                opened ? stage_from(&log->history[late], STELE_STAGE_LEFT) : STELE_STAGE_OVER;
        }
    }
    return st;
}

stele_status stele_complete_log_advance(struct stele_complete_log *log,
                                        struct stele_complete_writer *writer, stele_buf *out,
                                        stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t seq[2] = {UINT64_MAX, UINT64_MAX};
    bool has[2];
    log->has_next = false;
    for (;;) {
        has[0] = next_of(log, 0, &seq[0]);
        has[1] = next_of(log, 1, &seq[1]);
        if (has[0] || has[1]) {
            break;
        }
        if (log->at == log->end) {
            return STELE_OK;
        }
        STELE_TRY(open_next_segment(log, writer, out, err));
    }
    int late = !has[0] || (has[1] && seq[1] < seq[0]) ? 1 : 0;
    log->inside = log->stage[late] == STELE_STAGE_INSIDE;
    STELE_TRY(stele_replay_read(log->replay, seq[late], &log->entry, err));
    STELE_TRY(step_over(log, late, err));
    log->has_next = true;
cleanup:
    return st;
}

stele_status stele_complete_log_put(struct stele_complete_log *log,
                                    struct stele_complete_writer *writer, stele_buf *out,
                                    stele_err *err) {
    const struct stele_stored_entry *entry = &log->entry;
    const struct stele_time_range *range = &log->windows.range;
    uint64_t event_us = entry->entry.as.event.event_us;
    stele_view bytes = stele_view_of(entry->bytes, entry->n_bytes);
    if (log->inside && !log->counted && event_us >= range->since_us && event_us < range->until_us) {
        return stele_complete_write_event(writer, log->number, bytes, entry->salt, entry->ksalt,
                                          entry->payload, out, err);
    }
    return stele_complete_write_entry(writer, log->number, bytes, out, err);
}
