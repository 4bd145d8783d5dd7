/* SPDX-License-Identifier: Apache-2.0 */
/* query/complete_head.c: what a log's part of a complete answer rests on: entries, state,
 * descriptors, keys. */
#include <string.h>

#include "query/complete_parts.h"

/* Postings of the key inside [from, to) of every opened segment, as many as `enough` at most. */
static stele_status count_inside(const struct stele_complete_log *log, bool late, uint64_t from,
                                 uint64_t to, uint64_t enough, uint64_t *count, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_posting_cursor *cursor = NULL;
    for (size_t i = log->first; i < log->end && *count < enough; i++) {
        uint8_t tag[STELE_TAG_BYTES];
        uint64_t seq = 0;
        uint64_t all = 0;
        if (!stele_complete__meets(log, i, late) ||
            log->scope->manifest->descriptor[i].info.n_keys == 0) {
            continue;
        }
        stele_complete__tag(log, i, late, tag);
        st = stele_segment_find(log->scope->manifest->segment[i]->segment, tag, &cursor, &all, err);
        st = st == STELE_OK ? stele_posting_seek(cursor, from, err) : st;
        while (st == STELE_OK && *count < enough &&
               (st = stele_posting_next(cursor, &seq, err)) == STELE_OK && seq < to) {
            ++*count;
        }
        stele_posting_cursor_free(cursor);
        cursor = NULL;
        STELE_TRY(st == STELE_END ? STELE_OK : st);
    }
    st = STELE_OK;
cleanup:
    return st;
}

/*
 * Whether the log needs to show its events in the log itself: always up to
 * STELE_ANSWER_BY_LOG_EVENTS of them, not beyond, where it would cost three times what the events'
 * proofs cost. By event time the index tells only of some on-time entries that they are in the
 * range: those more than a day inside it.
 */
static stele_status decide_by_log(const struct stele_complete_log *log, bool *ret, stele_err *err) {
    const uint64_t enough = STELE_ANSWER_BY_LOG_EVENTS + 1;
    uint64_t from = 0;
    uint64_t to = 0;
    uint64_t count = 0;
    stele_status st = STELE_OK;
    if (log->strict) {
        *ret = true;
        return STELE_OK;
    }
    STELE_TRY(stele_complete__seqs(log, &log->windows.surely, &from, &to, err));
    STELE_TRY(count_inside(log, false, from, to, enough, &count, err));
    if (!log->windows.by_event_time) {
        STELE_TRY(count_inside(log, true, log->from[1], log->to[1], enough, &count, err));
    }
    *ret = count < enough;
cleanup:
    return st;
}

static stele_status write_anchor(struct stele_complete_log *log,
                                 struct stele_complete_writer *writer, stele_buf *out,
                                 stele_err *err) {
    const struct stele_manifest *manifest = log->scope->manifest;
    struct stele_stored_entry control;
    struct stele_complete_anchor anchor = {
        .condition = log->condition,
        .counted = log->counted,
        .index = stele_view_of(manifest->index_entry, sizeof manifest->index_entry),
    };
    stele_status st = STELE_OK;
    STELE_TRY(log->counted ? STELE_OK : decide_by_log(log, &anchor.by_log, err));
    STELE_TRY(stele_replay_read(log->replay, manifest->control_seq, &control, err));
    anchor.control = stele_view_of(control.bytes, control.n_bytes);
    STELE_TRY(stele_complete_write_anchor(writer, log->number, &anchor, out, err));
cleanup:
    return st;
}

/* Leaves of the state whose keys begin with `prefix`: [*ret_first, *ret_first + *ret_n). */
static void find_leaves(const struct stele_state *state, const char *prefix, size_t *ret_first,
                        size_t *ret_n) {
    size_t length = strlen(prefix);
    *ret_n = 0;
    for (size_t i = 0; i < state->n; i++) {
        stele_view key = stele_view_buf(&state->leaf[i].key);
        if (key.size >= length && memcmp(key.data, prefix, length) == 0) {
            *ret_first = *ret_n == 0 ? i : *ret_first;
            ++*ret_n;
        }
    }
}

static uint32_t era_of_leaf(const struct stele_state *state, size_t i) {
    uint32_t era = 0;
    stele_view key = stele_view_buf(&state->leaf[i].key);
    for (size_t at = strlen("epoch/"); at < key.size; at++) {
        era = era * 10 + (uint32_t)(key.data[at] - '0');
    }
    return era;
}

/* Marks what of the state is shown: the class, the epochs of what is shown of the manifest, and for
 * a region all logs with the leaf before and after them. */
static void mark_leaves(const struct stele_complete_log *log, bool *shown) {
    const struct stele_manifest *manifest = log->scope->manifest;
    const struct stele_state *state = &manifest->state;
    uint32_t first_era = manifest->descriptor[log->first].info.era;
    uint32_t last_era = manifest->descriptor[log->end - 1].info.era;
    size_t first = 0;
    size_t n = 0;
    find_leaves(state, "class", &first, &n);
    memset(shown + first, true, n);
    find_leaves(state, "epoch/", &first, &n);
    for (size_t i = first; i < first + n; i++) {
        uint32_t era = era_of_leaf(state, i);
        shown[i] = era >= first_era && era <= last_era;
    }
    find_leaves(state, "logs/", &first, &n);
    if (log->lists_logs && n > 0) {
        size_t end = first + n < state->n ? first + n + 1 : first + n;
        first = first > 0 ? first - 1 : 0;
        memset(shown + first, true, end - first);
    }
}

static stele_status write_state(struct stele_complete_log *log,
                                struct stele_complete_writer *writer, stele_buf *out,
                                stele_err *err) {
    const struct stele_state *state = &log->scope->manifest->state;
    stele_status st = STELE_OK;
    bool *shown = stele_alloc(state->n + 1, sizeof *shown);
    if (shown == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the state of a log");
    }
    mark_leaves(log, shown);
    for (size_t i = 0; i < state->n; i++) {
        size_t first = i;
        while (shown[i]) { /* one more than there are leaves: the last one is never marked */
            i++;
        }
        STELE_TRY(i > first ? stele_complete_write_state(writer, log->number, state, first,
                                                         i - first, out, err)
                            : STELE_OK);
    }
cleanup:
    stele_free(shown);
    return st;
}

/* The keys of the eras with a segment that is opened and has keys. */
static stele_status find_keys(struct stele_complete_log *log, stele_err *err) {
    const struct stele_manifest *manifest = log->scope->manifest;
    stele_status st = STELE_OK;
    log->era = stele_alloc(log->end - log->first, sizeof *log->era);
    if (log->era == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the keys of a proof");
    }
    for (size_t i = log->first; i < log->end; i++) {
        const struct stele_segment_info *info = &manifest->descriptor[i].info;
        bool known = log->n_eras > 0 && log->era[log->n_eras - 1].era == info->era;
        if (known || info->n_keys == 0 || !stele_complete__is_opened(log, i)) {
            continue;
        }
        struct stele_complete_era *era = &log->era[log->n_eras];
        STELE_TRY(stele_log_disclose_tag_key(log->scope->log, info->era, era->disclosed, err));
        era->era = info->era;
        stele_tag_key_init(&era->key, era->disclosed);
        log->n_eras++;
    }
cleanup:
    return st;
}

static stele_status write_keys(struct stele_complete_log *log, struct stele_complete_writer *writer,
                               stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < log->n_eras; i++) {
        const struct stele_complete_era *era = &log->era[i];
        STELE_TRY(
            stele_complete_write_key(writer, log->number, era->era, era->disclosed, out, err));
    }
cleanup:
    return st;
}

stele_status stele_complete_log_head(struct stele_complete_log *log,
                                     struct stele_complete_writer *writer, stele_buf *out,
                                     stele_err *err) {
    const struct stele_manifest *manifest = log->scope->manifest;
    stele_status st = STELE_OK;
    STELE_TRY(find_keys(log, err));
    STELE_TRY(write_anchor(log, writer, out, err));
    if (log->known_leaves > 0 && log->known_leaves < log->scope->size) {
        STELE_TRY(
            stele_complete_write_consistency(writer, log->number, log->known_leaves, out, err));
    }
    STELE_TRY(write_state(log, writer, out, err));
    STELE_TRY(stele_complete_write_manifest(writer, log->number, manifest->descriptor, manifest->n,
                                            log->first, log->end - log->first, out, err));
    STELE_TRY(write_keys(log, writer, out, err));
cleanup:
    return st;
}
