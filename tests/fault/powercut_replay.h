/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/powercut_replay.h: from a folder as it was and the journal of what was done to it
 * since, one of the folders that may be there after a power cut.
 *
 * Surely there: what the folder held before; of each file the bytes and the size that a sync which
 * has returned covers; of each folder the names that a sync of that folder covers. Of the rest a
 * random part: a write may be there, be missing, or be there by some of its 512-byte sectors with
 * zeros for the others; each making, renaming and removing of a name may have happened or not. A
 * filesystem that keeps an order leaves less: that is drawn too.
 */
#ifndef STELE_TESTS_FAULT_POWERCUT_REPLAY_H
#define STELE_TESTS_FAULT_POWERCUT_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/rng.h"

typedef enum powercut_loss {
    POWERCUT_LOSE_ALL,  /* nothing that was not synced is there */
    POWERCUT_LOSE_NONE, /* everything is */
    POWERCUT_LOSE_LAST, /* what happened up to some moment is */
    POWERCUT_LOSE_ANY   /* each by chance */
} powercut_loss;

struct powercut_summary {
    powercut_loss of_data, of_names;
    size_t operations;      /* in the journal */
    size_t unsynced_writes; /* that could be lost */
    size_t lost_writes;     /* whole or in part */
    size_t unsynced_names;
    size_t lost_names;
    size_t failed_syncs;
    size_t unfinished_packs, unfinished_segments; /* 1: a blob of that kind had no name yet */
};

/* Makes `to`, which must not exist, from `from`, which may be absent, and the journal. Fails the
 * test if the journal has something it cannot follow. */
void powercut_replay(const char *from, const char *journal, const char *to, struct rng *rng,
                     struct powercut_summary *ret);

#endif
