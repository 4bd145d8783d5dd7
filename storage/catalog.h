/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/catalog.h: what a log consists of at a moment: its units and its index segments, as one
 * immutable list that a view pins. Layer: storage. A change makes a new list and swaps it in under
 * the log's lock; old views keep what they see, and a segment that was merged away is deleted when
 * the last view of it is gone. Threads: lists are immutable, counts atomic.
 */
#ifndef STELE_STORAGE_CATALOG_H
#define STELE_STORAGE_CATALOG_H

#include "storage/seal.h"
#include "storage/unit.h"

/* What a segment that is neither in blobs nor in memory is read from. */
struct stele_segment_backing {
    void *ctx;
    void (*done)(void *ctx);
};
/* An index segment and its seal: in blobs beside each other, in memory, or what someone else keeps.
 */
struct stele_segment_ref {
    _Atomic size_t refs;
    struct stele_engine *engine; /* NULL: in memory */
    char key[STELE_BLOB_KEY_MAX];
    char seal_key[STELE_BLOB_KEY_MAX];
    stele_buf segment_bytes, seal_bytes;  /* in memory */
    struct stele_segment_backing backing; /* done NULL: none */
    struct stele_segment *segment;
    struct stele_seal *seal;
    _Atomic bool superseded; /* merged away: the blobs go with the last reference */
};
/* key: of the segment, "<log>/i/<lo>-<hi>"; the seal is "<log>/s/<lo>-<hi>". Errors: NOT_FOUND if
 * either is not there, CORRUPT, UNSUPPORTED, IO. */
STELE_MUST_USE stele_status stele_segment_ref_open(struct stele_engine *engine, const char *key,
                                                   struct stele_segment_ref **ret, stele_err *err);
/* The same, of a segment whose keys may be out of order: see stele_segment_open_any_order. */
STELE_MUST_USE stele_status stele_segment_ref_open_any_order(struct stele_engine *engine,
                                                             const char *key,
                                                             struct stele_segment_ref **ret,
                                                             stele_err *err);
/* Without the seal, which is yet to be made. */
STELE_MUST_USE stele_status stele_segment_ref_open_bare(struct stele_engine *engine,
                                                        const char *key,
                                                        struct stele_segment_ref **ret,
                                                        stele_err *err);
/* Makes the seal of the stored segment `key` from its postings, and stores it. The same bytes each
 * time. postings: the n sorted ones that the segment was written from; NULL: they are read back. */
STELE_MUST_USE stele_status stele_segment_ref_seal(struct stele_engine *engine, const char *key,
                                                   const struct stele_posting *postings, size_t n,
                                                   struct stele_leaf_source leaves, stele_err *err);
/* A segment and its seal in memory, of n postings in any order, with room for as many again. info's
 * counts are filled. For the newest entries, which are in no pack yet. */
STELE_MUST_USE stele_status stele_segment_ref_build(const struct stele_segment_info *info,
                                                    struct stele_posting *postings, size_t n,
                                                    struct stele_leaf_source leaves,
                                                    struct stele_segment_ref **ret, stele_err *err);
/* A segment and its seal that are open already. Takes all three over unless it fails. */
STELE_MUST_USE stele_status stele_segment_ref_of(struct stele_segment *segment,
                                                 struct stele_seal *seal,
                                                 const struct stele_segment_backing *backing,
                                                 struct stele_segment_ref **ret, stele_err *err);
/* Neighbours that stele_seal_can_merge, n <= STELE_SEGMENT_FANIN_MAX, merged in memory. */
STELE_MUST_USE stele_status stele_segment_ref_merge(struct stele_segment_ref *const *refs, size_t n,
                                                    struct stele_leaf_source leaves,
                                                    struct stele_segment_ref **ret, stele_err *err);
void stele_segment_ref_unref(struct stele_segment_ref *ref);

struct stele_catalog {
    _Atomic size_t refs;
    size_t n_units;
    struct stele_unit **unit; /* ascending, without gap, from entry 0 on */
    size_t n_segments;
    struct stele_segment_ref *
        *segment; /* ascending, without gap; packed units that have none yet end it */
};
STELE_MUST_USE stele_status stele_catalog_new(size_t n_units, size_t n_segments,
                                              struct stele_catalog **ret, stele_err *err);
void stele_catalog_ref(struct stele_catalog *catalog);
void stele_catalog_unref(struct stele_catalog *catalog);
/* A new catalog: `units` (may be NULL with n 0) replace [unit_at, unit_at + units_out) and the same
 * for segments. Takes references of its own. */
#define STELE_SEGMENTS_END SIZE_MAX /* as segment_at: behind the last one */
struct stele_catalog_edit {
    size_t unit_at, units_out, units_in;
    struct stele_unit *const *units;
    size_t segment_at, segments_out, segments_in;
    struct stele_segment_ref *const *segments;
};
STELE_MUST_USE stele_status stele_catalog_edited(const struct stele_catalog *from,
                                                 const struct stele_catalog_edit *edit,
                                                 struct stele_catalog **ret, stele_err *err);
/* The unit that holds seq; NULL if none. */
struct stele_unit *stele_catalog_unit_of(const struct stele_catalog *catalog, uint64_t seq);
/* Where the segments end: entries from here on are found in tails. */
uint64_t stele_catalog_segments_end(const struct stele_catalog *catalog);

#endif
