/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_state.c: the opened leaves of a log's state. Every leaf is under the root that
 * the CONTROL entry commits to before anything is taken from it, and every leaf must be of use.
 */
#include "storage/complete_reader_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "storage/tree_range.h"

#define EPOCH_VALUE_BYTES 80 /* the body, 72, and the seq */
#define LISTED_FIXED_BYTES (1 + STELE_HASH_BYTES)

/* One STATE chunk while it is read. */
struct state_run {
    struct complete_log *log;
    uint64_t first;
    size_t n;
    size_t at;          /* the leaf at hand, from 0 */
    size_t n_logs;      /* logs/ leaves so far */
    bool ended_logs;    /* a leaf after them was read */
    bool before_unused; /* the leaf before this one is of use only as the one before logs/ */
};

static stele_status unused(const struct state_run *run, stele_view key, stele_err *err) {
    return STELE_FAIL(
        err, UNVERIFIED, "answer: '%.80s' opens state leaf '%.*s', which this answer does not need",
        run->log->checkpoint.origin, (int)(key.size < 60 ? key.size : 60), (const char *)key.data);
}

static stele_status malformed(const struct state_run *run, stele_view key, stele_err *err) {
    return STELE_FAIL(err, INVALID, "answer: state leaf '%.*s' of '%.80s' has no value that can be",
                      (int)(key.size < 60 ? key.size : 60), (const char *)key.data,
                      run->log->checkpoint.origin);
}

/* Room for one more item; NULL if there is no memory. */
static void *grow(void *items, size_t n, size_t *room, size_t item_bytes) {
    if (n < *room) {
        return items;
    }
    size_t wanted = *room == 0 ? 16 : *room * 2;
    void *grown = stele_realloc(items, wanted, item_bytes);
    if (grown != NULL) {
        *room = wanted;
    }
    return grown;
}

static bool has_prefix(stele_view key, const char *prefix, stele_view *ret_rest) {
    size_t size = strlen(prefix);
    if (key.size < size || memcmp(key.data, prefix, size) != 0) {
        return false;
    }
    *ret_rest = stele_view_slice(key, size, key.size - size);
    return true;
}

/* Decimal without leading zeros, at most `max`. */
static bool parse_number(stele_view text, uint64_t max, uint64_t *ret) {
    uint64_t value = 0;
    if (text.size == 0 || text.size > 20 || (text.data[0] == '0' && text.size > 1)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value)) {
            return false;
        }
    }
    *ret = value;
    return value <= max;
}

static stele_status add_epoch(struct state_run *run, stele_view key, stele_view number,
                              stele_view value, stele_err *err) {
    struct complete_state *state = &run->log->state;
    uint64_t era = 0;
    if (value.size != EPOCH_VALUE_BYTES || !parse_number(number, UINT32_MAX, &era) ||
        stele_get_u32(value.data) != era) {
        return malformed(run, key, err);
    }
    if (state->n_epochs == STELE_DESCRIPTORS_MAX) {
        return unused(run, key, err); /* each must be a descriptor's, and there are not so many */
    }
    struct complete_epoch *epochs =
        grow(state->epoch, state->n_epochs, &state->epochs_room, sizeof *epochs);
    if (epochs == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the eras of an answer");
    }
    state->epoch = epochs;
    struct complete_epoch *epoch = &epochs[state->n_epochs++];
    memset(epoch, 0, sizeof *epoch);
    epoch->era = (uint32_t)era;
    epoch->tag_alg = stele_get_u16(value.data + 4);
    epoch->map_version = stele_get_u16(value.data + 6);
    memcpy(epoch->tag_key_commit, value.data + 8, STELE_HASH_BYTES);
    epoch->seq = stele_get_u64(value.data + 72);
    return STELE_OK;
}

static stele_status add_leaf(struct state_run *run, const struct complete_leaf *made,
                             stele_err *err) {
    struct complete_state *state = &run->log->state;
    struct complete_leaf *leaves =
        grow(state->leaf, state->n_leaves, &state->leaves_room, sizeof *leaves);
    if (leaves == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the state leaves of an answer");
    }
    state->leaf = leaves;
    leaves[state->n_leaves++] = *made;
    return STELE_OK;
}

/* disposed/<lo>: u64 hi, seq, time_us, u8 class. erased/<seq>: u64 seq, time_us. gone/<era>: u64
 * seq, time_us, u32 n, root. ret_known is false for other keys. */
static bool parse_leaf(stele_view key, stele_view value, bool *ret_known,
                       struct complete_leaf *ret) {
    stele_view number = {NULL, 0};
    memset(ret, 0, sizeof *ret);
    *ret_known = true;
    if (has_prefix(key, "disposed/", &number)) {
        ret->kind = STELE_GAP_DISPOSED;
        if (value.size != 25 || !parse_number(number, UINT64_MAX, &ret->key)) {
            return false;
        }
        ret->hi = stele_get_u64(value.data);
        ret->time_us = stele_get_u64(value.data + 16);
        ret->years = value.data[24];
        return ret->key < ret->hi;
    }
    if (has_prefix(key, "erased/", &number)) {
        ret->kind = STELE_GAP_ERASED;
        if (value.size != 16 || !parse_number(number, UINT64_MAX, &ret->key)) {
            return false;
        }
        ret->time_us = stele_get_u64(value.data + 8);
        return true;
    }
    if (has_prefix(key, "gone/", &number)) {
        ret->kind = STELE_GAP_DISPOSED_SEGMENT;
        if (value.size != 20 + STELE_HASH_BYTES || !parse_number(number, UINT32_MAX, &ret->key)) {
            return false;
        }
        ret->time_us = stele_get_u64(value.data + 8);
        ret->n = stele_get_u32(value.data + 16);
        memcpy(ret->root, value.data + 20, STELE_HASH_BYTES);
        return true;
    }
    *ret_known = false;
    return true;
}

static stele_status add_listed(struct state_run *run, stele_view key, stele_view value,
                               stele_err *err) {
    struct complete_state *state = &run->log->state;
    struct stele_reader bytes = stele_reader_of(value, "answer, a listed log");
    stele_view origin = {NULL, 0};
    stele_status st = STELE_OK;
    if (run->n_logs == 0) {
        if (state->listed != NULL || (run->at == 0 && run->first > 0)) {
            return STELE_FAIL(
                err, UNVERIFIED,
                "answer: '%.80s' does not open all logs of its region: the state leaf "
                "before the first one is not shown with them",
                run->log->checkpoint.origin);
        }
        state->listed = stele_alloc(STELE_ANSWER_LOGS_MAX, sizeof *state->listed);
        if (state->listed == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for the logs of a region");
        }
    }
    if (state->n_listed == STELE_ANSWER_LOGS_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "answer: a region of more than %d logs; ask by the names of logs",
                          STELE_ANSWER_LOGS_MAX);
    }
    if (stele_read_lp(&bytes, &origin, err) != STELE_OK || origin.size == 0 ||
        origin.size > STELE_ORIGIN_MAX || stele_reader_left(&bytes) != LISTED_FIXED_BYTES) {
        return malformed(run, key, err);
    }
    struct complete_listed *listed = &state->listed[state->n_listed++];
    memcpy(listed->origin, origin.data, origin.size); /* the rest is zero */
    STELE_TRY(stele_read_u8(&bytes, &listed->years, err));
    STELE_TRY(stele_read_bytes(&bytes, listed->genesis, STELE_HASH_BYTES, err));
    run->n_logs++;
    run->before_unused = false;
cleanup:
    return st;
}

/* A leaf that is of use only beside the logs/ leaves: the one before them, or the one after. */
static stele_status add_neighbour(struct state_run *run, stele_view key, stele_err *err) {
    bool after = run->n_logs > 0 && !run->ended_logs;
    bool may_be_before = run->log->is_system && run->n_logs == 0 && !run->before_unused &&
                         run->log->state.listed == NULL;
    run->before_unused = !after;
    return after || may_be_before ? STELE_OK : unused(run, key, err);
}

static stele_status add(struct state_run *run, stele_view key, stele_view value, stele_err *err) {
    struct complete_state *state = &run->log->state;
    struct complete_leaf leaf;
    stele_view rest = {NULL, 0};
    bool known = false;
    stele_status st = STELE_OK;
    if (run->log->is_system && has_prefix(key, "logs/", &rest)) {
        return add_listed(run, key, value, err);
    }
    if (run->before_unused) { /* the leaf before was not the one before logs/ */
        return unused(run, stele_view_buf(&state->last_key), err);
    }
    if (!parse_leaf(key, value, &known, &leaf)) {
        return malformed(run, key, err);
    }
    if (stele_view_is(key, "class")) {
        if (value.size != 1 || value.data[0] < 1 || value.data[0] > 7) {
            return malformed(run, key, err);
        }
        state->has_class = true;
        state->years = value.data[0];
    } else if (has_prefix(key, "epoch/", &rest)) {
        st = add_epoch(run, key, rest, value, err);
    } else if (known) {
        st = add_leaf(run, &leaf, err);
    } else {
        st = add_neighbour(run, key, err);
    }
    run->ended_logs = run->n_logs > 0;
    return st;
}

/* The leaf before the logs/ leaves is of use, whatever it is. */
static void use_last(struct state_run *run, stele_view key) {
    struct complete_state *state = &run->log->state;
    stele_view rest = {NULL, 0};
    if (!run->log->is_system || run->n_logs > 0 || !has_prefix(key, "logs/", &rest) ||
        run->at == 0) {
        return;
    }
    stele_view last = stele_view_buf(&state->last_key);
    if (has_prefix(last, "epoch/", &rest)) {
        state->epoch[state->n_epochs - 1].used = true;
    } else if (has_prefix(last, "disposed/", &rest) || has_prefix(last, "erased/", &rest) ||
               has_prefix(last, "gone/", &rest)) {
        state->leaf[state->n_leaves - 1].used = true;
    }
}

static stele_status read_leaf(struct state_run *run, struct stele_reader *bytes, uint8_t *ret_hash,
                              stele_err *err) {
    struct complete_state *state = &run->log->state;
    stele_view key = {NULL, 0};
    stele_view value = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_lp(bytes, &key, err));
    STELE_TRY(stele_read_lp(bytes, &value, err));
    if (key.size == 0 || key.size > STELE_STATE_KEY_MAX ||
        (state->last_key.size > 0 &&
         stele_view_compare(stele_view_buf(&state->last_key), key) >= 0)) {
        return STELE_FAIL(
            err, INVALID,
            "answer: a state leaf of '%.80s' with a key of %zu bytes, or one that does not "
            "ascend",
            run->log->checkpoint.origin, key.size);
    }
    stele_hash_state_leaf(key, value, ret_hash);
    use_last(run, key);
    STELE_TRY(add(run, key, value, err));
    stele_buf_clear(&state->last_key);
    STELE_TRY(stele_buf_append(&state->last_key, key, err));
cleanup:
    return st;
}

stele_status stele_complete__read_state(struct complete_log *log, struct stele_reader *bytes,
                                        stele_err *err) {
    const struct stele_entry_control *control = &log->control.as.control;
    struct state_run run = {.log = log};
    uint8_t *hashes = NULL;
    uint16_t n = 0;
    stele_view siblings = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(bytes, &run.first, err));
    STELE_TRY(stele_read_u16(bytes, &n, err));
    run.n = n;
    if (run.first < log->state.next || n == 0 || n > control->n_state ||
        run.first > control->n_state - n) {
        return STELE_FAIL(err, INVALID,
                          "answer: %u state leaves from %" PRIu64 " of %" PRIu64
                          " of '%.80s': they ascend and do not overlap",
                          n, run.first, control->n_state, log->checkpoint.origin);
    }
    hashes = stele_alloc(n, STELE_HASH_BYTES);
    if (hashes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the hashes of %u state leaves", n);
    }
    for (; run.at < n; run.at++) {
        STELE_TRY(read_leaf(&run, bytes, hashes + run.at * STELE_HASH_BYTES, err));
    }
    if (run.before_unused) {
        st = unused(&run, stele_view_buf(&log->state.last_key), err);
        goto cleanup;
    }
    if (run.n_logs > 0 && !run.ended_logs && run.first + n < control->n_state) {
        st = STELE_FAIL(
            err, UNVERIFIED,
            "answer: '%.80s' does not open all logs of its region: the state leaf after the "
            "last one is not shown with them",
            log->checkpoint.origin);
        goto cleanup;
    }
    log->state.next = run.first + n;
    STELE_TRY(stele_read_view(bytes, stele_reader_left(bytes), &siblings, err));
    struct stele_leaf_run leaves = {.first = run.first, .n = n, .size = control->n_state};
    st = stele_tree_range_check(stele_hash_state_inner, leaves, hashes, siblings,
                                control->state_root, NULL);
    if (st != STELE_OK) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "answer: the state leaves %" PRIu64 " to %" PRIu64
                        " of '%.80s' are not in the state of its CONTROL entry %" PRIu64,
                        run.first, run.first + n, log->checkpoint.origin, log->control.seq);
    }
cleanup:
    stele_free(hashes);
    return st;
}

/* ------------------------------------------------------------------ lookups */

static int compare_epochs(const void *a, const void *b) {
    uint32_t x = ((const struct complete_epoch *)a)->era;
    uint32_t y = ((const struct complete_epoch *)b)->era;
    return (x > y) - (x < y);
}

static int compare_leaves(const void *a, const void *b) {
    const struct complete_leaf *x = a;
    const struct complete_leaf *y = b;
    if (x->kind != y->kind) {
        return (x->kind > y->kind) - (x->kind < y->kind);
    }
    return (x->key > y->key) - (x->key < y->key);
}

void stele_complete__close_state(struct complete_state *state) {
    if (state->n_epochs > 1) {
        qsort(state->epoch, state->n_epochs, sizeof *state->epoch, compare_epochs);
    }
    if (state->n_leaves > 1) {
        qsort(state->leaf, state->n_leaves, sizeof *state->leaf, compare_leaves);
    }
}

void stele_complete__state_done(struct complete_state *state) {
    for (size_t i = 0; i < state->n_epochs; i++) {
        stele_tag_key_done(&state->epoch[i].key);
    }
    stele_free(state->epoch);
    stele_free(state->leaf);
    stele_free(state->listed);
    stele_buf_done(&state->last_key);
}

struct complete_epoch *stele_complete__epoch(struct complete_state *state, uint32_t era) {
    const struct complete_epoch wanted = {.era = era};
    return state->n_epochs == 0 ? NULL
                                : bsearch(&wanted, state->epoch, state->n_epochs,
                                          sizeof *state->epoch, compare_epochs);
}

struct complete_leaf *stele_complete__leaf(struct complete_state *state, stele_gap_kind kind,
                                           uint64_t key) {
    const struct complete_leaf wanted = {.kind = kind, .key = key};
    size_t low = 0;
    size_t high = state->n_leaves;
    while (low < high) { /* the first leaf after `wanted` */
        size_t middle = low + (high - low) / 2;
        bool after = compare_leaves(&state->leaf[middle], &wanted) > 0;
        low = after ? low : middle + 1;
        high = after ? middle : high;
    }
    struct complete_leaf *found = low == 0 ? NULL : &state->leaf[low - 1];
    if (found == NULL || found->kind != kind) {
        return NULL;
    }
    bool holds = kind == STELE_GAP_DISPOSED ? key < found->hi : key == found->key;
    return holds ? found : NULL;
}

stele_status stele_complete__check_used(const struct complete_log *log, stele_err *err) {
    static const char *const names[] = {[STELE_GAP_ERASED] = "erased",
                                        [STELE_GAP_DISPOSED] = "disposed",
                                        [STELE_GAP_DISPOSED_SEGMENT] = "gone"};
    const struct complete_state *state = &log->state;
    for (size_t i = 0; i < state->n_leaves; i++) {
        if (!state->leaf[i].used) {
            return STELE_FAIL(err, UNVERIFIED,
                              "answer: '%.80s' opens state leaf '%s/%" PRIu64
                              "', which this answer does not need",
                              log->checkpoint.origin, names[state->leaf[i].kind],
                              state->leaf[i].key);
        }
    }
    for (size_t i = 0; i < state->n_epochs; i++) {
        const struct complete_epoch *epoch = &state->epoch[i];
        if (!epoch->used || (epoch->has_key && !epoch->key_used)) {
            return STELE_FAIL(
                err, UNVERIFIED,
                "answer: '%.80s' %s of era %" PRIu32 ", which this answer does not need",
                log->checkpoint.origin, epoch->used ? "discloses the key" : "opens the state leaf",
                epoch->era);
        }
    }
    return STELE_OK;
}

uint64_t stele_complete__disposable_us(uint64_t time_us, uint8_t years) {
    uint64_t age = years * STELE_RETENTION_YEAR_US; /* at most 7 */
    return time_us > UINT64_MAX - age ? UINT64_MAX : time_us + age;
}
