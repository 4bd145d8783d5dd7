/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/state.c: a sorted array of small leaves. Changes are rare (a CONTROL entry each), so that
 * the root is simply computed from all leaves; the keys ascend strictly at any time.
 */
#include "storage/state.h"

#include <inttypes.h>
#include <string.h>

static const char *const write_once[] = {"epoch/", "disposed/", "erased/",
                                         "gone/",  "logs/",     "tenant/"};

void stele_state_init(struct stele_state *state) {
    *state = (struct stele_state){NULL, 0, 0};
}

static void leaf_done(struct stele_state_leaf *leaf) {
    stele_buf_done(&leaf->key);
    stele_buf_done(&leaf->value);
}

void stele_state_done(struct stele_state *state) {
    if (state == NULL) {
        return;
    }
    for (size_t i = 0; i < state->n; i++) {
        leaf_done(&state->leaf[i]);
    }
    stele_free(state->leaf);
    stele_state_init(state);
}

static bool is_write_once(stele_view key) {
    for (size_t i = 0; i < sizeof write_once / sizeof write_once[0]; i++) {
        size_t size = strlen(write_once[i]);
        if (key.size >= size && memcmp(key.data, write_once[i], size) == 0) {
            return true;
        }
    }
    return false;
}

static stele_status check_leaf(stele_view key, stele_view value, stele_err *err) {
    if (key.size == 0 || key.size > STELE_STATE_KEY_MAX || value.size > STELE_STATE_VALUE_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "a state key of %zu bytes with a value of %zu: keys have 1 to %d bytes, "
                          "values up to %d",
                          key.size, value.size, STELE_STATE_KEY_MAX, STELE_STATE_VALUE_MAX);
    }
    for (size_t i = 0; i < key.size; i++) {
        if (key.data[i] < 0x20 || key.data[i] > 0x7e) {
            return STELE_FAIL(err, INVALID, "byte %zu of a state key is not printable ASCII", i);
        }
    }
    return STELE_OK;
}

/* The place of `key`, or where it would stand; true if it is there. */
static bool place_of(const struct stele_state *state, stele_view key, size_t *ret) {
    size_t low = 0;
    size_t high = state->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = stele_view_compare(stele_view_buf(&state->leaf[middle].key), key);
        if (order == 0) {
            *ret = middle;
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *ret = low;
    return false;
}

static stele_status grow(struct stele_state *state, stele_err *err) {
    if (state->n == STELE_STATE_LEAVES_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "a state of %d leaves is full: this log must be succeeded by another",
                          STELE_STATE_LEAVES_MAX);
    }
    if (state->n < state->capacity) {
        return STELE_OK;
    }
    size_t capacity = state->capacity == 0 ? 16 : state->capacity * 2;
    struct stele_state_leaf *leaf = stele_realloc(state->leaf, capacity, sizeof *leaf);
    if (leaf == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu state leaves", capacity);
    }
    state->leaf = leaf;
    state->capacity = capacity;
    return STELE_OK;
}

stele_status stele_state_put(struct stele_state *state, stele_view key, stele_view value,
                             stele_err *err) {
    struct stele_state_leaf made = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    size_t place = 0;
    stele_status st = STELE_OK;
    STELE_TRY(check_leaf(key, value, err));
    bool found = place_of(state, key, &place);
    if (found && is_write_once(key)) {
        st = STELE_FAIL(err, EXISTS, "state key '%.*s' is written once and is there already",
                        (int)key.size, (const char *)key.data);
        goto cleanup;
    }
    if (!found) {
        STELE_TRY(grow(state, err));
    }
    STELE_TRY(stele_buf_append(&made.key, key, err));
    STELE_TRY(stele_buf_append(&made.value, value, err));
    struct stele_state_leaf *at = &state->leaf[place];
    if (found) {
        struct stele_state_leaf old = *at;
        *at = made;
        made = old;
    } else {
        memmove(at + 1, at, (state->n - place) * sizeof *at);
        *at = made;
        made = (struct stele_state_leaf){STELE_BUF_EMPTY, STELE_BUF_EMPTY};
        state->n++;
    }
cleanup:
    leaf_done(&made);
    return st;
}

bool stele_state_get(const struct stele_state *state, stele_view key, stele_view *ret_value) {
    size_t place = 0;
    bool found = place_of(state, key, &place);
    *ret_value = found ? stele_view_buf(&state->leaf[place].value) : stele_view_of(NULL, 0);
    return found;
}

/* All leaf hashes, adjacent; to be freed. */
static stele_status leaf_hashes(const struct stele_state *state, uint8_t **ret, stele_err *err) {
    uint8_t *hashes = stele_alloc(state->n, STELE_HASH_BYTES);
    if (hashes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the hashes of %zu state leaves", state->n);
    }
    for (size_t i = 0; i < state->n; i++) {
        stele_hash_state_leaf(stele_view_buf(&state->leaf[i].key),
                              stele_view_buf(&state->leaf[i].value), hashes + i * STELE_HASH_BYTES);
    }
    *ret = hashes;
    return STELE_OK;
}

stele_status stele_state_root(const struct stele_state *state, uint8_t ret[STELE_AT_LEAST(32)],
                              stele_err *err) {
    uint8_t *hashes = NULL;
    stele_status st = leaf_hashes(state, &hashes, err);
    if (st == STELE_OK) {
        st = stele_tree_shape_root(stele_hash_state_inner, hashes, state->n, ret, err);
    }
    stele_free(hashes);
    return st;
}

stele_status stele_state_prove(const struct stele_state *state, stele_view key, uint64_t *ret_index,
                               struct stele_tree_path *ret_path, stele_err *err) {
    uint8_t *hashes = NULL;
    size_t place = 0;
    if (!place_of(state, key, &place)) {
        return STELE_FAIL(err, NOT_FOUND, "the state has no key '%.*s'",
                          (int)(key.size < STELE_STATE_KEY_MAX ? key.size : STELE_STATE_KEY_MAX),
                          (const char *)key.data);
    }
    stele_status st = leaf_hashes(state, &hashes, err);
    if (st == STELE_OK) {
        struct stele_leaf_pos pos = {.index_leaves = place, .size_leaves = state->n};
        st = stele_tree_shape_prove(stele_hash_state_inner, hashes, pos, ret_path, err);
    }
    if (st == STELE_OK) {
        *ret_index = place;
    }
    stele_free(hashes);
    return st;
}

stele_status stele_state_check(stele_view key, stele_view value, struct stele_leaf_pos pos,
                               const uint8_t *path, size_t n_path,
                               const uint8_t state_root[STELE_AT_LEAST(32)], stele_err *err) {
    uint8_t leaf[STELE_HASH_BYTES];
    if (check_leaf(key, value, err) != STELE_OK) {
        return STELE_FAIL(err, INVALID,
                          "a state leaf with a key of %zu bytes and a value of %zu cannot be",
                          key.size, value.size);
    }
    stele_hash_state_leaf(key, value, leaf);
    return stele_tree_shape_check(stele_hash_state_inner, leaf, pos, path, n_path, state_root, err);
}

stele_status stele_state_encode(const struct stele_state *state, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_writer w = stele_writer_to(out);
    stele_write_varint(&w, state->n);
    for (size_t i = 0; i < state->n; i++) {
        stele_write_lp(&w, stele_view_buf(&state->leaf[i].key));
        stele_write_lp(&w, stele_view_buf(&state->leaf[i].value));
    }
    stele_status st = stele_writer_end(&w, err);
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

stele_status stele_state_decode(struct stele_reader *r, struct stele_state *ret, stele_err *err) {
    struct stele_reader before = *r;
    struct stele_state made;
    uint64_t n = 0;
    stele_status st = STELE_OK;
    stele_state_init(&made);
    STELE_TRY(stele_read_varint(r, &n, err));
    if (n > STELE_STATE_LEAVES_MAX) {
        st = STELE_FAIL(err, INVALID, "%s: a state of %" PRIu64 " leaves, at most %d can be",
                        r->what, n, STELE_STATE_LEAVES_MAX);
        goto cleanup;
    }
    for (uint64_t i = 0; i < n; i++) {
        stele_view key;
        stele_view value;
        STELE_TRY(stele_read_lp(r, &key, err));
        STELE_TRY(stele_read_lp(r, &value, err));
        if (made.n > 0 &&
            stele_view_compare(stele_view_buf(&made.leaf[made.n - 1].key), key) >= 0) {
            st = STELE_FAIL(err, INVALID, "%s: state key %" PRIu64 " does not ascend", r->what, i);
            goto cleanup;
        }
        st = stele_state_put(&made, key, value, err);
        if (st == STELE_LIMIT) {
            st = STELE_FAIL(err, INVALID,
                            "%s: state leaf %" PRIu64 " has no key, or one over %d bytes", r->what,
                            i, STELE_STATE_KEY_MAX);
        }
        STELE_TRY(st);
    }
    *ret = made;
    stele_state_init(&made);
cleanup:
    if (st != STELE_OK) {
        *r = before;
    }
    stele_state_done(&made);
    return st;
}
