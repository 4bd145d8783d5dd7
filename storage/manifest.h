/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/manifest.h: the index segments that one INDEX entry of a log commits to. Layer: storage.
 * Format: FORMAT.md section 6.
 *
 * Invariant: a manifest is offered only after its INDEX entry is durable; its segments tile [0,
 * covered) and none spans two eras. It never changes. It pins its segments: one that is merged away
 * meanwhile lives until the last manifest that names it is gone, so that what was committed to can
 * be proven.
 *
 * No manifest outlives the process. After a start there is none until an INDEX entry is appended:
 * when someone seals the log, when events come, or soon if the stored entries are not all covered;
 * a log that was fully covered when it stopped grows by nothing. A read-only store has no manifest.
 *
 * Threads: any.
 */
#ifndef STELE_STORAGE_MANIFEST_H
#define STELE_STORAGE_MANIFEST_H

#include <stdatomic.h>

#include "storage/descriptor.h"
#include "storage/log.h"
#include "storage/state.h"

struct stele_segment_ref; /* storage/catalog.h; its seal proves what is in it */

struct stele_manifest {
    _Atomic size_t refs;
    uint64_t covered; /* M: [0, M) */
    uint64_t index_seq;
    uint64_t index_time_us;
    uint8_t index_entry[STELE_ENTRY_INDEX_BYTES];
    uint64_t control_seq;     /* the CONTROL entry it names */
    struct stele_state state; /* what that entry's state_root commits to */
    size_t n;                 /* segments, 1 to STELE_DESCRIPTORS_MAX, ascending, without gap */
    struct stele_segment_ref **segment;
    struct stele_descriptor *descriptor;
    uint8_t *hash; /* 32 B each: the leaves of the manifest's tree */
};
void stele_manifest_unref(struct stele_manifest *manifest); /* NULL is fine */
/* A stele_tree_node_fn over the manifest's leaves and hash 0x26; ctx is the manifest. */
STELE_MUST_USE stele_status stele_manifest_node(void *manifest, unsigned level, uint64_t index,
                                                uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
/* The segment that holds seq; n if none. */
size_t stele_manifest_segment_of(const struct stele_manifest *manifest, uint64_t seq);

/* The newest one, with a reference. Errors: NOT_FOUND (none since the start, or a read-only store).
 */
STELE_MUST_USE stele_status stele_log_manifest(struct stele_log *log, struct stele_manifest **ret,
                                               stele_err *err);
/*
 * The newest manifest if it covers every entry that was acknowledged before the call, but for INDEX
 * entries, and its INDEX entry was logged at as_of_us or later (0: whenever); else one that does,
 * for which it waits wait_ms at most. With a reference. A new INDEX entry comes no sooner than a
 * second (stele_store_config) after the one before: callers within that time share it, because each
 * is an entry for ever. Errors: BUSY (not there in time: the text says how far the index is; ask
 * again), CLOSED (the log is stopping, or the store is read-only), and why the log takes no
 * entries.
 */
STELE_MUST_USE stele_status stele_log_seal(struct stele_log *log, uint64_t as_of_us,
                                           uint32_t wait_ms, struct stele_manifest **ret,
                                           stele_err *err);
/* The log time of the newest entry that is no INDEX: a manifest as of then is complete until then.
 */
uint64_t stele_log_data_time_us(struct stele_log *log);

/* How far the index is behind the log. Before the first INDEX entry since the start, covered is
 * that of the stored ones, index_seq is STELE_NO_SEQ and n_segments 0. */
struct stele_index_status {
    uint64_t size;    /* entries of the log */
    uint64_t covered; /* M of the newest INDEX entry; 0 if there is none */
    uint64_t index_seq;
    uint64_t index_time_us;
    uint64_t lag_entries; /* acknowledged and not covered, but for the newest INDEX entry itself */
    uint64_t lag_us;      /* since the first of them was logged; 0 if there is none */
    size_t n_segments;
    uint32_t era; /* of new entries */
};
void stele_log_index_status(struct stele_log *log, struct stele_index_status *ret);

#endif
