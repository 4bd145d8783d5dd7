/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/store_fixture.h: a real store in a temporary folder, with a clock the test moves,
 * and appends that wait for their acknowledgement.
 */
#ifndef STELE_TESTS_SUPPORT_STORE_FIXTURE_H
#define STELE_TESTS_SUPPORT_STORE_FIXTURE_H

#include <stdatomic.h>

#include "storage/log.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

struct fixture {
    char dir[64];
    struct stele_store *store;
    _Atomic uint64_t now_us;
    uint32_t pack_entries;
    uint32_t
        index_interval_ms; /* 0: only when asked, so that a log grows by what the test appends */
    uint32_t index_spacing_ms;   /* 0: 1, so that a test need not wait for its seals */
    struct stele_engine *engine; /* the next open uses it instead of RocksDB; taken over */
    const stele_view *not_before;
    size_t n_not_before;
    bool never_create;          /* as steled: what is not there is not made */
    bool quiet;                 /* background trouble is expected: it is not printed */
    _Atomic unsigned n_reports; /* of background trouble */
};

#define FIXTURE_START_US UINT64_C(1763776800000000) /* 2025-11-22T02:00:00Z */

void fixture_init(struct fixture *f); /* makes the folder; opens nothing */
/* Opens region "eu-test" with logs 1y, 3y and system. */
stele_status fixture_try_open(struct fixture *f, bool read_only, stele_err *err);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_done(struct fixture *f); /* closes and removes the folder */

/* Appends payloads as one batch and waits. */
stele_status fixture_append(struct fixture *f, const char *log, const stele_view *payloads,
                            size_t n, struct stele_batch_place *ret, stele_err *err);
/* One time in `one_in` each: a leap in time, an era's cut, a restart (which no manifest outlives),
 * packs. False: nothing was done. */
bool fixture_disturb(struct fixture *f, const char *log, struct rng *rng, uint64_t one_in);
/* Waits until no closed tail is left to pack. */
void fixture_wait_packed(struct fixture *f, const char *log);
/* And merged: closing a store cuts a merge short, and its next start begins that merge again. */
void fixture_wait_merged(struct fixture *f, const char *log);
/* A checkpoint of all that the log has; its committer has nothing left to sign then. */
void fixture_sign(struct stele_log *log);

#endif
