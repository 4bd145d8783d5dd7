/* SPDX-License-Identifier: Apache-2.0 */
/* storage/leaf_window.c: see leaf_window.h. */
#include "storage/leaf_window.h"

#include <inttypes.h>
#include <string.h>

/* 64 KiB: ten times what it costs to ask for them, and half of a disk's read-ahead. */
#define WINDOW_LEAVES 2048u
/* A step up to this far is still reading on: what is passed over costs less than another read. */
#define STEP_MAX (2 * WINDOW_LEAVES)

void stele_leaf_window_init(struct stele_leaf_window *window, const struct stele_catalog *catalog) {
    *window = (struct stele_leaf_window){.catalog = catalog};
}

void stele_leaf_window_init_unit(struct stele_leaf_window *window, const struct stele_unit *unit) {
    *window = (struct stele_leaf_window){.unit = unit};
}

void stele_leaf_window_done(struct stele_leaf_window *window) {
    stele_buf_done(&window->buf);
}

static bool unit_has(const struct stele_unit *unit, uint64_t seq) {
    return unit != NULL && seq >= unit->lo &&
           seq < atomic_load_explicit(&unit->hi, memory_order_acquire);
}

static stele_status move(struct stele_leaf_window *window, uint64_t seq, stele_err *err) {
    if (!unit_has(window->unit, seq)) {
        const struct stele_unit *unit =
            window->catalog == NULL ? NULL : stele_catalog_unit_of(window->catalog, seq);
        if (unit == NULL) {
            return STELE_FAIL(err, CORRUPT,
                              "an index segment lists entry %" PRIu64
                              ", which is in no unit; run stele fsck",
                              seq);
        }
        window->unit = unit;
    }
    uint64_t left = atomic_load_explicit(&window->unit->hi, memory_order_acquire) - seq;
    bool reads_on = seq >= window->asked && seq - window->asked <= STEP_MAX;
    size_t n = reads_on && window->unit->pack != NULL ? WINDOW_LEAVES : 1;
    n = left < n ? (size_t)left : n;
    window->n = 0;
    stele_buf_clear(&window->buf);
    stele_status st = stele_unit_leaves(window->unit, seq, n, &window->buf, err);
    if (st == STELE_OK) {
        window->first = seq;
        window->n = n;
    }
    return st;
}

static stele_status leaf_of(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                            stele_err *err) {
    struct stele_leaf_window *window = ctx;
    if (seq < window->first || seq - window->first >= window->n) {
        stele_status st = move(window, seq, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    window->asked = seq;
    memcpy(ret, window->buf.data + (size_t)(seq - window->first) * STELE_HASH_BYTES,
           STELE_HASH_BYTES);
    return STELE_OK;
}

struct stele_leaf_source stele_leaf_window_source(struct stele_leaf_window *window) {
    return (struct stele_leaf_source){leaf_of, window};
}
