/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/index_model.h: what one log's index goes through: packing with segment and seal,
 * merging, INDEX entries, the cut of an era, recovery. A state is bytes that can be copied,
 * compared and hashed. Layer: tests.
 *
 * Small numbers stand for the large ones: units of one entry, spans of two and four, one cut. What
 * a segment or a seal holds follows from its span, as long as its entries are durable, which is
 * checked.
 *
 * Left out, because model.h has it: acknowledgements, checkpoints, trims, the marks of what was
 * acknowledged.
 */
#ifndef STELE_TESTS_MODEL_INDEX_MODEL_H
#define STELE_TESTS_MODEL_INDEX_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/model/walk.h"

#define INDEX_SEQS_MAX 6u
#define INDEX_SPANS                                                                                \
    21u /* (lo, hi) with lo < hi <= INDEX_SEQS_MAX, in the order in which blobs are listed */

/* What the program may do wrong; 0 is the program as it is. Each must be found. */
typedef enum index_mutation {
    INDEX_AS_IT_IS,
    INDEX_OFFER_BEFORE_SYNC, /* a manifest, when its INDEX entry is written */
    INDEX_OFFER_FAILED,      /* a manifest whose INDEX entry failed */
    INDEX_COVER_STAGED,      /* an INDEX of entries that are not durable */
    INDEX_MAY_FALL,          /* no check that M does not fall */
    INDEX_COVERED_FORGOTTEN, /* a start begins with M of 0 */
    INDEX_EARLY_CONTROL, /* an INDEX names the CONTROL that was newest when its manifest was made */
    INDEX_SEAL_UNSYNCED, /* a pack's segment is shown, and so committed to, before its seal is
                            synced */
    INDEX_MERGED_UNSYNCED,   /* a merged segment takes its parts' place before its seal is synced */
    INDEX_DROP_AT_MERGE,     /* parts are removed although manifests name them */
    INDEX_DROP_BEFORE_SEAL,  /* parts are removed when the merged segment is stored, before its seal
                              */
    INDEX_NAME_BEFORE_BYTES, /* a merged segment has its name before its bytes are synced */
    INDEX_MERGE_ACROSS_ERAS,
    INDEX_PACK_BEFORE_SEGMENT, /* p before i and s */
    INDEX_ADOPT_NAMES,         /* a start takes the names it finds for durable */
    INDEX_UNSEALED_COUNTS,     /* a start takes a merged segment without a seal for whole */
    INDEX_PARTS_COUNT,         /* a start keeps the parts of a merged segment */
    INDEX_UNPACKED_COUNTS,     /* a start takes the segment of a pack that was not finished */
    INDEX_KEY_AFTER_EPOCH,     /* an EPOCH is written before its tag key is synced */
    INDEX_ADOPT_KEYS,          /* a start takes the keys it finds for durable */
    INDEX_FORGET_FAILED,       /* after a failed sync: go on without adopting what landed */
    INDEX_MUTATIONS
} index_mutation;

enum { IX_DOWN, IX_ENGINE, IX_KEYS, IX_PACKS, IX_LIST, IX_SEGMENTS, IX_SEALS, IX_UP, IX_REFUSED };
enum { IC_IDLE, IC_WRITTEN, IC_SYNCED, IC_STOPPED, IC_REOPENED };
/* The packer: names and folders' syncs of i, s and p in turn; then the catalog. */
enum { IP_IDLE, IP_SYNCED = 6 };
/* The merger: the same for i and s; then the catalog; then the parts are marked. */
enum { IM_IDLE, IM_I_NAMED, IM_I_SYNCED, IM_S_NAMED, IM_SYNCED, IM_SHOWN };
/* Who drops the last reference to a part. */
enum { ID_IDLE, ID_SEAL_GONE, ID_SEAL_SYNCED, ID_SEGMENT_GONE };
enum { KIND_NONE, KIND_EVENT, KIND_INDEX, KIND_EPOCH };
enum { ENTRY_NONE, ENTRY_WRITTEN, ENTRY_LIMBO, ENTRY_DURABLE }; /* LIMBO: its sync failed */
/* GOING: its name is gone, its folder not synced. HOLLOW: named, its bytes unsynced. */
enum { NAME_NONE, NAME_THERE, NAME_DURABLE, NAME_GOING, NAME_HOLLOW, NAME_TORN };
enum { MANIFEST_NONE, MANIFEST_QUEUED, MANIFEST_IN_RECORD, MANIFEST_DONE, MANIFEST_FAILED };
enum { INDEX_SOUND, INDEX_REBUILT, INDEX_SPANS_ERAS, INDEX_OF_UNSYNCED };

struct index_entry {
    uint8_t kind, state, covered, control;
};

/* ends: a bit for each entry that a stored segment ends with. Behind them, segments are in memory.
 */
struct index_manifest {
    uint8_t state, ends, covered, seq, control;
};

struct index_state {
    /* The process. Zero while it is down. */
    uint8_t run, committer, packer, merger, dropper, group_n;
    uint8_t size, covered, packed;
    uint8_t ends; /* the catalog's segments */
    uint8_t merge_lo, merge_hi, dropped;
    uint8_t key_usable, reads, reader_ends;
    uint8_t list_at, list_end,
        removing; /* a start: the place in its lists; a removal to be synced */
    struct index_manifest pending, offered;
    uint8_t pad[3];
    uint32_t merged,
        superseded; /* by span: parts of what was merged just now; parts marked as merged away */
    uint32_t list_segment, list_seal;
    /* The disk. */
    struct index_entry entry[INDEX_SEQS_MAX];
    uint8_t pack[INDEX_SEQS_MAX];
    uint8_t segment[INDEX_SPANS], seal[INDEX_SPANS];
    uint8_t key;
    /* What others were told, and what has happened so far. */
    uint8_t shown, crashes, failures, broken, pad_end[3];
};

_Static_assert(sizeof(struct index_state) == 128, "no byte of it is padding");

struct index_bounds {
    uint8_t seqs, crashes, failures;
    uint8_t indexes; /* INDEX entries, at most */
    bool reader;     /* somebody may hold an older manifest */
    bool in_turns; /* packing, a merge and a removal do not overlap: what one syncs of another's is
                      no help to it */
    index_mutation mutation;
};

/* All of it, for model_explore. The machine borrows both. */
struct model_machine index_machine_of(const struct index_bounds *bounds,
                                      struct index_state *ret_first);

/* ------------------------------------------------------------------ for index_*.c */
void index_steps(const struct index_bounds *bounds, const struct index_state *state,
                 model_emit_fn emit, void *ctx);
/* index_merge.c: the merger, and what goes with the last reference. */
void index_merges(const struct index_bounds *bounds, const struct index_state *state,
                  model_emit_fn emit, void *ctx);
/* index_start.c: how a process ends, and how it starts. */
void index_crashes(const struct index_bounds *bounds, const struct index_state *state,
                   model_emit_fn emit, void *ctx);
void index_starts(const struct index_bounds *bounds, const struct index_state *state,
                  model_emit_fn emit, void *ctx);
void index_drop_process(struct index_state *state);
const char *index_violation(const struct index_bounds *bounds, const struct index_state *state);

static inline unsigned index_span(unsigned lo, unsigned hi) {
    return lo * INDEX_SEQS_MAX - lo * (lo - (lo > 0 ? 1 : 0)) / 2 + (hi - lo - 1);
}
static inline bool index_seen(uint8_t name) {
    return name == NAME_THERE || name == NAME_DURABLE || name == NAME_HOLLOW || name == NAME_TORN;
}
/* Where the segment that begins at `lo` ends; 0 if none begins there. */
static inline unsigned index_end(uint8_t ends, unsigned lo) {
    unsigned rest = (unsigned)ends >> lo;
    unsigned hi = lo + 1;
    while (rest != 0 && (rest & 1u) == 0) {
        rest >>= 1;
        hi++;
    }
    return rest == 0 ? 0 : hi;
}
/* Whether a segment [lo, hi) is one of those. */
static inline bool index_has(uint8_t ends, unsigned lo, unsigned hi) {
    return (lo == 0 || (ends >> (lo - 1) & 1u) != 0) && index_end(ends, lo) == hi;
}
static inline void index_name(uint8_t *name, bool hollow) {
    if (!index_seen(*name)) {
        *name = hollow ? NAME_HOLLOW : NAME_THERE;
    }
}
/* Whether a thread of background work may begin. */
static inline bool index_may_begin(const struct index_bounds *bounds,
                                   const struct index_state *state) {
    return !bounds->in_turns ||
           (state->packer == IP_IDLE && state->merger == IM_IDLE && state->dropper == ID_IDLE);
}
/* A folder's sync: all names in it. */
static inline void index_sync(uint8_t *name, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        name[i] = name[i] == NAME_THERE   ? NAME_DURABLE
                  : name[i] == NAME_GOING ? NAME_NONE
                                          : name[i];
    }
}
static inline void index_unname(uint8_t *name) {
    *name = index_seen(*name) ? NAME_GOING : *name;
}
/* 0, or 1 from the EPOCH on. */
static inline unsigned index_era(const struct index_state *state, unsigned seq) {
    unsigned era = 0;
    for (unsigned i = 1; i <= seq && i < INDEX_SEQS_MAX; i++) {
        era += state->entry[i].kind == KIND_EPOCH ? 1 : 0;
    }
    return era;
}
/* The newest CONTROL before `seq`. */
static inline uint8_t index_control(const struct index_state *state, unsigned seq) {
    uint8_t control = 0;
    for (unsigned i = 1; i < seq; i++) {
        control = state->entry[i].kind == KIND_EPOCH ? (uint8_t)i : control;
    }
    return control;
}

#endif
