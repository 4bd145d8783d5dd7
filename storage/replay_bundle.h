/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/replay_bundle.h: what entries of an entry bundle commit to and do not hold: bodies, tag
 * lists and their salts, as a file beside the bundle. Layer: storage. Pure. Format: FORMAT.md,
 * "Replay bundle".
 */
#ifndef STELE_STORAGE_REPLAY_BUNDLE_H
#define STELE_STORAGE_REPLAY_BUNDLE_H

#include "storage/replay.h"
#include "storage/tiles.h"

/* The next entry of a bundle; into an empty buffer, with the magic before it. Errors: LIMIT, over
 * 65,535 tags or 2^32 bytes of body; NO_MEMORY. */
STELE_MUST_USE stele_status stele_replay_bundle_append(stele_buf *bundle,
                                                       const struct stele_audit_entry *entry,
                                                       stele_err *err);
/* The entries of an entry bundle (FORMAT.md section 3) with what stands beside them, which are
 * borrowed. Errors: INVALID: they are not of each other, or hold over STELE_TILE_WIDTH entries. */
STELE_MUST_USE stele_status stele_replay_bundle_read(
    stele_view entries, stele_view bundle,
    struct stele_audit_entry ret[STELE_AT_LEAST(STELE_TILE_WIDTH)], size_t *ret_n, stele_err *err);

#endif
