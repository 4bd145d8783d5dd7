/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/control.h: the bodies of CONTROL entries and what each does to the state tree. Layer:
 * storage. Pure. Source: FORMAT.md section 2. One function maps (kind, body, seq) to state changes,
 * for the committer that makes an entry and for everyone who checks one.
 */
#ifndef STELE_STORAGE_CONTROL_H
#define STELE_STORAGE_CONTROL_H

#include "storage/entry.h"
#include "storage/state.h"
#include "storage/tag.h"

/* Bodies. All append. */
STELE_MUST_USE stele_status stele_control_genesis_body(const char *origin, const char *region,
                                                       uint8_t years,
                                                       const uint8_t policy[STELE_AT_LEAST(32)],
                                                       stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_control_epoch_body(uint32_t era, const struct stele_tag_key *key,
                                                     const struct stele_event_map *map,
                                                     stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_control_tenants_body(const stele_view *tenants, size_t n,
                                                       stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_control_logs_body(const char *name, const char *origin,
                                                    uint8_t years,
                                                    const uint8_t genesis_leaf[STELE_AT_LEAST(32)],
                                                    stele_buf *out, stele_err *err);

struct stele_epoch {
    uint32_t era;
    uint16_t tag_alg;
    uint16_t map_version;
    uint8_t tag_key_commit[STELE_HASH_BYTES];
    uint8_t map_digest[STELE_HASH_BYTES];
    uint64_t seq;
};
/* The state's epoch/<era>. Errors: NOT_FOUND, CORRUPT. */
STELE_MUST_USE stele_status stele_control_epoch_of(const struct stele_state *state, uint32_t era,
                                                   struct stele_epoch *ret, stele_err *err);
struct stele_genesis {
    stele_view origin, region; /* borrow the body */
    uint8_t years;
};
STELE_MUST_USE stele_status stele_control_genesis_of(stele_view body, struct stele_genesis *ret,
                                                     stele_err *err);
bool stele_control_has_tenant(const struct stele_state *state, stele_view tenant);

/* Applies a control entry's state changes. Kinds whose body no version here makes are UNSUPPORTED.
 */
STELE_MUST_USE stele_status stele_control_apply(stele_control_kind kind, stele_view body,
                                                uint64_t seq, struct stele_state *state,
                                                stele_err *err);

#endif
