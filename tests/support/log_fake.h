/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/log_fake.h: a store that keeps everything in memory and fails on demand, linked in
 * the place of stele-storage.
 *
 * It has the parts of storage/store.h and storage/log.h that ingest uses, one thread a log that
 * answers, and a switch for what the real store cannot be made to do at a chosen moment. Receipts
 * are not made: stele_log_checkpoint says UNSUPPORTED.
 */
#ifndef STELE_TESTS_SUPPORT_LOG_FAKE_H
#define STELE_TESTS_SUPPORT_LOG_FAKE_H

#include "storage/log.h"

#define LOG_FAKE_UNWANTED "the test's log does not want this"

typedef enum log_fake_mode {
    LOG_FAKE_COMMIT, /* stores and answers OK */
    LOG_FAKE_HOLD,   /* takes batches and answers none until the mode changes */
    LOG_FAKE_FAIL,   /* stores nothing and answers IO */
    LOG_FAKE_ADOPT,  /* answers IO; what it had reached the disk and is found at the next change of
                        mode */
    LOG_FAKE_PICKY,  /* answers INVALID to a batch in which an event says LOG_FAKE_UNWANTED */
    LOG_FAKE_BUSY,   /* submit says BUSY */
    LOG_FAKE_CLOSED, /* submit says CLOSED */
} log_fake_mode;

/* A store of `region` with the logs 1y, 3y, 7y and system. The clock starts at `now_us`. */
struct stele_store *log_fake_open(const char *region, uint64_t now_us);
void log_fake_close(struct stele_store *store);
void log_fake_set(struct stele_log *log, log_fake_mode mode); /* any thread */
/* The next submit finds the log recovered: after the submitter looked for duplicates, what had
 * landed is adopted and appends go on. */
void log_fake_recover_at_submit(struct stele_log *log);
void log_fake_set_clock(struct stele_store *store, uint64_t now_us);
size_t log_fake_count(struct stele_log *log);
size_t log_fake_held(struct stele_log *log); /* batches taken and not answered */
/* The payload at `seq`; borrowed until the store is closed. */
stele_view log_fake_payload(struct stele_log *log, size_t seq);
/* Makes the next `n` reads of stored events fail with IO. */
void log_fake_fail_reads(struct stele_log *log, unsigned n);

#endif
