/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/crash_rig.h: runs the writer, kills it, remembers what it was told (the oracle), and
 * checks a store against that. Nothing here knows how a store keeps its promises: an acknowledged
 * event must be at its place byte for byte, entries have no hole, and every checkpoint that was
 * ever given out must be the root of the first entries.
 */
#ifndef STELE_TESTS_FAULT_CRASH_RIG_H
#define STELE_TESTS_FAULT_CRASH_RIG_H

#include "tests/fault/crash_wire.h"
#include "tests/support/engine_step.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"
#include "tests/support/temp_folder.h"

struct crash_ack {
    uint64_t seq;
    uint8_t digest[STELE_HASH_BYTES]; /* of the payload */
};
struct crash_note {
    uint64_t size;
    uint8_t root[STELE_HASH_BYTES];
};
struct crash_log {
    size_t n_acks, ack_capacity, n_notes, note_capacity;
    struct crash_ack *ack;
    struct crash_note *note;
};
struct crash_rig {
    char folder[TEMP_FOLDER_BYTES]; /* everything of the test is below */
    char live[TEMP_FOLDER_BYTES];   /* the store that writers write to; may be absent */
    char copy[TEMP_FOLDER_BYTES];   /* the store that is checked */
    const char *test;               /* its name */
    const char *writer;             /* the program */
    char *const *environment;       /* of the program, NULL: ours */
    struct rng rng;
    uint64_t now_us;  /* the log clock when the next writer starts */
    uint64_t open_us; /* how long opening took of late */
    struct crash_log log[CRASH_LOGS];
    uint64_t events_max;        /* of one writer */
    bool ends_at_ready;         /* instead, writers are killed as soon as the store is open */
    bool lets_live;             /* writers are not killed: they end by themselves, or at a step */
    bool met[ENGINE_STEPS + 1]; /* steps that writers reported; the last: one without a name */
    bool ended_at_step;         /* the last writer did */
    size_t n_events, n_rounds, n_early, n_closed; /* for the summary */
};

void crash_rig_init(struct crash_rig *rig, const char *test, const char *writer);
void crash_rig_done(struct crash_rig *rig);
/* Forgets the store and all that was said of it. */
void crash_rig_restart(struct crash_rig *rig);
/* "25", or with STELE_SOAK=1 "500". */
size_t crash_rounds(size_t usual, size_t soak);

/*
 * Runs a writer on `live`, kills it at a random moment (opening, load or closing) unless lets_live
 * is set, and takes its reports into the oracle. NULL, or what the writer complained of.
 */
const char *crash_rig_run(struct crash_rig *rig);
/*
 * Opens the store in `folder`, checks it whole against the oracle, appends to it, and runs fsck.
 * NULL, or what does not hold.
 */
const char *crash_rig_check(struct crash_rig *rig, const char *folder);

#endif
