/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model.h: the commit, pack, checkpoint and recovery protocol of one log as a state
 * that can be copied, compared and hashed as bytes. Layer: tests.
 *
 * Small numbers stand for the large ones: units of two entries, records of one or two, one event is
 * a version of its place in the log. Two contents are the same log exactly if their versions are
 * the same, so that a row of versions stands for a tree and its root.
 *
 * Left out: hashes and signatures hold; logs do not share a write; seals, merging, INDEX entries
 * and eras, which index_model.h has; a disk loses what was synced once at most, and only under
 * MODEL_ROT.
 */
#ifndef STELE_TESTS_MODEL_MODEL_H
#define STELE_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/walk.h"

#define MODEL_UNIT 2u
#define MODEL_SEQS_MAX 7u
#define MODEL_UNITS_MAX (MODEL_SEQS_MAX / MODEL_UNIT)
#define MODEL_POSITIONS_MAX 9u

/* What the program may do wrong; 0 is the program as it is. Each must be found. */
typedef enum model_mutation {
    MODEL_AS_IT_IS,
    MODEL_ACK_BEFORE_SYNC,
    MODEL_SHOW_BEFORE_SYNC,
    MODEL_SIGN_BEFORE_SYNC,    /* a checkpoint over entries that are staged */
    MODEL_PUBLISH_BEFORE_SYNC, /* the note is shown, then synced */
    MODEL_MARK_BEFORE_SYNC,
    MODEL_NO_MARK,
    MODEL_RETRY_SYNC,         /* after a failed sync: once more, and it says OK */
    MODEL_NO_CLAIM,           /* after a failed sync: the next record, without reading back */
    MODEL_FORGET_FAILED,      /* after a failed sync: claim, without adopting what landed */
    MODEL_ADOPT_WITHOUT_SYNC, /* a start takes what it reads for durable */
    MODEL_TRIM_WITHOUT_PACK,
    MODEL_TRIM_BEFORE_PACK_SYNC, /* the pack has its name, its folder is not synced */
    MODEL_TRIM_CHECKPOINT,
    MODEL_TRIM_SHARED_RECORD, /* a record that also holds the next unit's first entry */
    MODEL_NO_FOLDER_SYNC,
    MODEL_ADOPT_NAMES, /* a start takes the names it finds for durable */
    MODEL_NAME_BEFORE_BLOB_SYNC,
    MODEL_PACK_BEFORE_SIDES, /* p before k, h and i */
    MODEL_REPLAY_PACKED,     /* a start adds again what packs hold already */
    MODEL_MUTATIONS
} model_mutation;

enum { RUN_DOWN, RUN_ENGINE, RUN_CLAIMED, RUN_BLOBS, RUN_SIGNING, RUN_UP, RUN_REFUSED };
enum {
    COM_IDLE,
    COM_WRITTEN,
    COM_SYNCED,
    COM_SHOWN,
    COM_NOTE_WRITTEN,
    COM_NOTE_SYNCED,
    COM_STOPPED,
    COM_REOPENED
};
/* The packer: for each of k, h, i, p its name, then its folder's sync; then the catalog, then the
 * trim. */
enum { PACK_IDLE = 0, PACK_NAMED = 1, PACK_DONE = 8, PACK_SWAPPED, PACK_TRIM_WRITTEN };
enum { REC_NONE, REC_WRITTEN, REC_LIMBO, REC_DURABLE }; /* LIMBO: its sync failed */
enum { KIND_ENTRIES = 1, KIND_NOTE };
enum {
    BLOB_NONE,
    BLOB_NAMED,
    BLOB_DURABLE,
    BLOB_HOLLOW,
    BLOB_TORN
}; /* HOLLOW: named, bytes unsynced */
enum { BLOB_K, BLOB_H, BLOB_I, BLOB_P, BLOB_KINDS };

struct model_record {
    uint8_t kind, state;
    uint8_t first; /* of a note: the size it signs */
    uint8_t n;
    uint16_t ids; /* two bits a seq, at the seq's own place: the tree it is of */
};

struct model_state {
    /* The process. Zero while it is down. */
    uint8_t run, committer, packer, queued;
    uint8_t size, pos, packed, note;
    uint16_t ids;
    /* The disk: as a process sees it, and what a power cut leaves. */
    uint16_t pad;
    struct model_record record[MODEL_POSITIONS_MAX];
    uint8_t floor_seen, floor_kept, mark_seen, mark_kept;
    uint8_t blob[MODEL_UNITS_MAX][BLOB_KINDS];
    uint16_t pack_ids; /* what the packs hold */
    uint8_t
        log_damaged; /* records after a failed sync stand behind a hole of the write-ahead log */
    /* What others were told. */
    uint8_t acked, shown, published;
    uint16_t promised;
    /* What has happened so far. */
    uint8_t crashes, failures, rotted, broken;
};

struct model_bounds {
    uint8_t seqs, positions, crashes, failures;
    model_mutation mutation;
};

void model_steps(const struct model_bounds *bounds, const struct model_state *state,
                 model_emit_fn emit, void *ctx);
/* model_disk.c: how a process ends, and how it starts. */
void model_crashes(const struct model_bounds *bounds, const struct model_state *state,
                   model_emit_fn emit, void *ctx);
void model_starts(const struct model_bounds *bounds, const struct model_state *state,
                  model_emit_fn emit, void *ctx);
/* model_check.c: what does not hold in a state; NULL if all does. A literal. */
const char *model_violation(const struct model_bounds *bounds, const struct model_state *state);
/* All of it, for model_explore. The machine borrows both. */
struct model_machine model_machine_of(const struct model_bounds *bounds,
                                      struct model_state *ret_first);

/* The rest is for model_*.c. */
/* What a process has in memory goes. */
void model_drop_process(struct model_state *state);
/* The bits of the seqs [lo, hi). */
static inline uint16_t model_range(unsigned lo, unsigned hi) {
    return lo >= hi ? 0 : (uint16_t)(((1u << (2 * hi)) - 1u) & ~((1u << (2 * lo)) - 1u));
}
/* Tells somebody that the log has these entries: they may never change. */
void model_promise(struct model_state *state, uint8_t size, uint16_t ids);
/* The end of the chain as stored: past its last record, or its floor. */
uint8_t model_chain_end(const struct model_state *state);
/* A blob's name, put if it is absent; and its folder, which holds all names of its kind. */
void model_blob_name(const struct model_bounds *bounds, struct model_state *state, unsigned unit,
                     unsigned kind);
void model_blob_sync(const struct model_bounds *bounds, struct model_state *state, unsigned kind);
/* Replays the chain behind what memory has; RUN_REFUSED if it does not fit. */
void model_replay(const struct model_bounds *bounds, struct model_state *state, uint8_t from);
/* Why a state is broken, in `broken`. */
enum { BROKEN_NOT = 0, BROKEN_CHANGED, BROKEN_TRIMMED };
uint8_t model_trim_floor(const struct model_bounds *bounds, const struct model_state *state);
void model_trim_write(struct model_state *state, uint8_t floor);
void model_trim_sync(struct model_state *state);

#endif
