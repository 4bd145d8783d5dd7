/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/state.h: the state tree, a small sorted map per log that every CONTROL entry commits to.
 * Layer: storage. Pure. Source: FORMAT.md section 2, "State tree".
 *
 * Keys ascend strictly bytewise. `epoch/`, `disposed/`, `erased/`, `gone/`, `logs/` and `tenant/`
 * keys are written once: a second put of one of them is refused (EXISTS).
 */
#ifndef STELE_STORAGE_STATE_H
#define STELE_STORAGE_STATE_H

#include "storage/cursor.h"
#include "storage/tree.h"

#define STELE_STATE_KEY_MAX 255
#define STELE_STATE_VALUE_MAX 65535
#define STELE_STATE_LEAVES_MAX                                                                     \
    65536 /* 4,096 tenants a log and everything else fit many times over */

struct stele_state_leaf {
    stele_buf key;
    stele_buf value;
};
struct stele_state {
    struct stele_state_leaf *leaf;
    size_t n, capacity;
};

void stele_state_init(struct stele_state *state);
void stele_state_done(struct stele_state *state);
/* Errors: EXISTS (write-once key), LIMIT, INVALID (a key that is not printable ASCII), NO_MEMORY.
 * Nothing changes on failure. */
STELE_MUST_USE stele_status stele_state_put(struct stele_state *state, stele_view key,
                                            stele_view value, stele_err *err);
/* NULL view data if absent. Borrowed until the next put. */
bool stele_state_get(const struct stele_state *state, stele_view key, stele_view *ret_value);
/* The RFC 6962-shaped root with the 0x27 and 0x28 hashes; the empty state has the empty root. */
STELE_MUST_USE stele_status stele_state_root(const struct stele_state *state,
                                             uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
/* A leaf's inclusion path under the state root. Errors: NOT_FOUND. */
STELE_MUST_USE stele_status stele_state_prove(const struct stele_state *state, stele_view key,
                                              uint64_t *ret_index, struct stele_tree_path *ret_path,
                                              stele_err *err);
/* Checks one leaf against a CONTROL's (n_state, state_root). Errors: INVALID, UNVERIFIED. */
STELE_MUST_USE stele_status stele_state_check(stele_view key, stele_view value,
                                              struct stele_leaf_pos pos, const uint8_t *path,
                                              size_t n_path,
                                              const uint8_t state_root[STELE_AT_LEAST(32)],
                                              stele_err *err);
/* Stored form inside packs: varint n, then lp(key) lp(value) each. Decoding checks the order. */
STELE_MUST_USE stele_status stele_state_encode(const struct stele_state *state, stele_buf *out,
                                               stele_err *err);
/* ret need not be initialised; it is written on success only. */
STELE_MUST_USE stele_status stele_state_decode(struct stele_reader *r, struct stele_state *ret,
                                               stele_err *err);

#endif
