/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/log_view.c: a log as it was at one moment: its tree nodes, tiles and times. Nothing about
 * a view changes while it is held, whatever is appended, packed or merged meanwhile.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/log_parts.h"
#include "storage/replay.h"

#define TILE_LEVEL 8u
#define SPINE_LEVEL 16u
#define SPINE_ROW (1 + STELE_HASH_BYTES)

stele_status stele_log_view_open(struct stele_log *log, struct stele_log_view **ret,
                                 stele_err *err) {
    struct stele_log_view *view = stele_alloc(1, sizeof *view);
    if (view == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a view of log %s", log->full_name);
    }
    view->log = log;
    (void)pthread_mutex_lock(&log->lock);
    view->catalog = log->catalog;
    stele_catalog_ref(view->catalog);
    view->size = log->size;
    (void)pthread_mutex_unlock(&log->lock);
    *ret = view;
    return STELE_OK;
}

void stele_log_view_close(struct stele_log_view *view) {
    if (view != NULL) {
        stele_catalog_unref(view->catalog);
        stele_free(view);
    }
}

struct stele_log *stele_log_view_log(const struct stele_log_view *view) {
    return view->log;
}

uint64_t stele_log_view_size(const struct stele_log_view *view) {
    return view->size;
}

static stele_status collect_leaves(const struct stele_log_view *view, uint64_t from, size_t n,
                                   stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    while (st == STELE_OK && n > 0) {
        const struct stele_unit *unit = stele_catalog_unit_of(view->catalog, from);
        if (unit == NULL) {
            return STELE_FAIL(err, CORRUPT, "log %s: entry %" PRIu64 " is in no unit",
                              view->log->full_name, from);
        }
        uint64_t left = atomic_load_explicit(&unit->hi, memory_order_acquire) - from;
        size_t part = left < n ? (size_t)left : n;
        st = stele_unit_leaves(unit, from, part, out, err);
        from += part;
        n -= part;
    }
    return st;
}

/* Folds 2^k adjacent hashes at `at` to one, in place. */
static void fold(uint8_t *hashes, size_t n) {
    for (n /= 2; n > 0; n /= 2) {
        stele_hash_inner_many(hashes, n, hashes);
    }
}

/* Roots of tiles [first, first + n): stored ones where a unit holds the whole tile, else from
 * leaves. */
static stele_status collect_tile_roots(const struct stele_log_view *view, uint64_t first, size_t n,
                                       stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf leaves = STELE_BUF_EMPTY;
    while (n > 0) {
        const struct stele_unit *unit =
            stele_catalog_unit_of(view->catalog, first * STELE_TILE_LEAVES);
        uint64_t end = unit == NULL ? 0
                                    : atomic_load_explicit(&unit->hi, memory_order_acquire) /
                                          STELE_TILE_LEAVES;
        if (unit != NULL && first >= stele_unit_first_tile(unit) && first < end) {
            size_t part = end - first < n ? (size_t)(end - first) : n;
            STELE_TRY(stele_unit_tile_roots(unit, first, part, out, err));
            first += part;
            n -= part;
            continue;
        }
        stele_buf_clear(&leaves);
        STELE_TRY(collect_leaves(view, first * STELE_TILE_LEAVES, STELE_TILE_LEAVES, &leaves, err));
        fold(leaves.data, STELE_TILE_LEAVES);
        STELE_TRY(stele_buf_append(out, stele_view_of(leaves.data, STELE_HASH_BYTES), err));
        first++;
        n--;
    }
cleanup:
    stele_buf_done(&leaves);
    return st;
}

/* The root of group `index` of 2^16 entries, computed once and kept: 33 bytes for 65,536 entries.
 */
static stele_status spine_root(const struct stele_log_view *view, uint64_t index,
                               uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_log *log = view->log;
    stele_buf roots = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    size_t at = (size_t)index * SPINE_ROW;
    bool known = false;
    (void)pthread_mutex_lock(&log->spine_lock);
    if (at < log->spine.size && log->spine.data[at] == 1) {
        memcpy(ret, log->spine.data + at + 1, STELE_HASH_BYTES);
        known = true;
    }
    (void)pthread_mutex_unlock(&log->spine_lock);
    if (known) {
        return STELE_OK;
    }
    STELE_TRY(collect_tile_roots(view, index << (SPINE_LEVEL - TILE_LEVEL),
                                 1u << (SPINE_LEVEL - TILE_LEVEL), &roots, err));
    fold(roots.data, 1u << (SPINE_LEVEL - TILE_LEVEL));
    memcpy(ret, roots.data, STELE_HASH_BYTES);
    (void)pthread_mutex_lock(&log->spine_lock);
    if (at >= log->spine.size &&
        stele_buf_reserve(&log->spine, at + SPINE_ROW - log->spine.size, NULL) == STELE_OK) {
        memset(log->spine.data + log->spine.size, 0, at + SPINE_ROW - log->spine.size);
        log->spine.size = at + SPINE_ROW;
    }
    if (at < log->spine.size) {
        log->spine.data[at] = 1;
        memcpy(log->spine.data + at + 1, ret, STELE_HASH_BYTES);
    }
    (void)pthread_mutex_unlock(&log->spine_lock);
cleanup:
    stele_buf_done(&roots);
    return st;
}

stele_status stele_log_view_node(void *ctx, unsigned level, uint64_t index,
                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_log_view *view = ctx;
    stele_buf hashes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint64_t n_units_below =
        level < TILE_LEVEL ? 1 : (level < SPINE_LEVEL ? STELE_TILE_LEAVES : 1u << SPINE_LEVEL);
    if (level > 40 || index >= (UINT64_C(1) << (63 - level)) ||
        ((index + 1) << level) > view->size) {
        return STELE_FAIL(err, INVALID,
                          "log %s: no complete subtree %" PRIu64 " at level %u in %" PRIu64
                          " entries",
                          view->log->full_name, index, level, view->size);
    }
    size_t n = (size_t)((UINT64_C(1) << level) / n_units_below);
    uint64_t first = index * n;
    if (level < TILE_LEVEL) {
        STELE_TRY(collect_leaves(view, first, n, &hashes, err));
    } else if (level < SPINE_LEVEL) {
        STELE_TRY(collect_tile_roots(view, first, n, &hashes, err));
    } else {
        STELE_TRY(stele_buf_reserve(&hashes, n * STELE_HASH_BYTES, err));
        for (size_t i = 0; i < n; i++) {
            STELE_TRY(spine_root(view, first + i, hashes.data + i * STELE_HASH_BYTES, err));
        }
    }
    assert(hashes.size > 0 || level >= SPINE_LEVEL); /* a subtree has at least one node below */
    fold(hashes.data, n);
    memcpy(ret, hashes.data, STELE_HASH_BYTES);
cleanup:
    stele_buf_done(&hashes);
    return st;
}

stele_status stele_log_view_seq_at(struct stele_log_view *view, uint64_t time_us, uint64_t *ret_seq,
                                   stele_err *err) {
    struct stele_unit_cursor cursor;
    stele_status st = STELE_OK;
    size_t low = 0;
    size_t high = view->catalog->n_units;
    stele_unit_cursor_init(&cursor);
    /* The first unit that ends at or after time_us; empty units do not matter: they are last. */
    while (high > low) {
        size_t middle = low + (high - low) / 2;
        const struct stele_unit *unit = view->catalog->unit[middle];
        bool before = atomic_load_explicit(&unit->hi, memory_order_acquire) > unit->lo &&
                      atomic_load_explicit(&unit->t_last, memory_order_relaxed) < time_us;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    uint64_t seq = view->size;
    if (low < view->catalog->n_units) {
        const struct stele_unit *unit = view->catalog->unit[low];
        uint64_t from = unit->lo;
        uint64_t to = atomic_load_explicit(&unit->hi, memory_order_acquire);
        to = to < view->size ? to : view->size;
        if (from < to) {
            STELE_TRY(stele_unit_cursor_enter(&cursor, unit, err));
        }
        while (from < to) {
            uint64_t middle = from + (to - from) / 2;
            struct stele_item item;
            STELE_TRY(stele_unit_item(&cursor, middle, &item, err));
            if (item.time_us < time_us) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        seq = from;
    }
    *ret_seq = seq;
cleanup:
    stele_unit_cursor_done(&cursor);
    return st;
}

static stele_status entries_bundle(struct stele_log_view *view, uint64_t first, size_t n,
                                   stele_buf *out, stele_err *err) {
    struct stele_replay *replay = NULL;
    const struct stele_audit_entry *given = NULL;
    size_t n_given = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_replay_new(view, &replay, err));
    for (size_t done = 0; done < n; done += n_given) {
        STELE_TRY(stele_replay_at(replay, first + done, &given, &n_given, err));
        n_given = n_given < n - done ? n_given : n - done;
        for (size_t i = 0; i < n_given; i++) {
            STELE_TRY(stele_bundle_append(out, given[i].entry, err));
        }
    }
cleanup:
    stele_replay_free(replay);
    return st;
}

stele_status stele_log_view_tile(struct stele_log_view *view, const struct stele_tile *tile,
                                 stele_buf *out, stele_err *err) {
    unsigned shift = tile->entries ? 0 : tile->level * TILE_LEVEL;
    uint64_t complete = shift >= 64 ? 0 : view->size >> shift;
    size_t width = tile->width == 0 ? STELE_TILE_WIDTH : tile->width;
    if (tile->index > complete / STELE_TILE_WIDTH ||
        tile->index * STELE_TILE_WIDTH + width > complete) {
        return STELE_FAIL(err, NOT_FOUND,
                          "log %s has %" PRIu64 " entries: that tile is not complete yet",
                          view->log->full_name, view->size);
    }
    if (tile->entries) {
        return entries_bundle(view, tile->index * STELE_TILE_WIDTH, width, out, err);
    }
    stele_status st = STELE_OK;
    for (size_t i = 0; i < width; i++) {
        uint8_t hash[STELE_HASH_BYTES];
        STELE_TRY(stele_log_view_node(view, shift, tile->index * STELE_TILE_WIDTH + i, hash, err));
        STELE_TRY(stele_buf_append(out, stele_view_of(hash, sizeof hash), err));
    }
cleanup:
    return st;
}
