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

/* ------------------------------------------------------------------ the newest INDEX, for samples
 */
#define STELE_REPLAY_INDEX_NAME "index"                /* in the folder of the bundles */
#define STELE_REPLAY_INDEX_BYTES_MAX ((size_t)1 << 20) /* of the most segments: 590 KB */
/* Appends the file: the newest INDEX entry that is signed, and its descriptors as
 * stele_replay_index gave them; none: there is no such entry. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_replay_index_write(uint64_t seq, stele_view descriptors,
                                                     stele_buf *out, stele_err *err);
/* Errors: INVALID. The view borrows the bytes. */
STELE_MUST_USE stele_status stele_replay_index_read(stele_view bytes, uint64_t *ret_seq,
                                                    stele_view *ret_descriptors, stele_err *err);

#endif
