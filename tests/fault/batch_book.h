/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/batch_book.h: every batch a test has sent to log "3y" and what was answered, and the
 * log against that: an acknowledged batch is at its place, a refused one is there whole or not at
 * all, and nothing else is.
 */
#ifndef STELE_TESTS_FAULT_BATCH_BOOK_H
#define STELE_TESTS_FAULT_BATCH_BOOK_H

#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define BOOK_EVENTS_MAX 20000
#define BOOK_BATCHES_MAX 4000

struct book_batch {
    size_t first, n; /* payloads */
    stele_status st;
    uint64_t seq; /* of the first, if acknowledged */
};
struct book {
    struct rng rng;
    size_t n_events, n_batches;
    stele_buf payload[BOOK_EVENTS_MAX];
    struct book_batch batch[BOOK_BATCHES_MAX];
};

/* Appends a batch of n made-up events and notes the answer. */
stele_status book_append(struct book *book, struct fixture *f, size_t n, stele_err *err);
/* Reads an acknowledged event; other bytes than those sent fail the test. OK if there is none yet.
 */
stele_status book_read_one(struct book *book, struct fixture *f, stele_err *err);
/* Reads the whole log and fails the test if it is not as above. How many refused batches are there.
 */
size_t book_check(const struct book *book, struct fixture *f);
/* Closes the store, opens it for reading, does the same, runs fsck, and leaves it closed. */
size_t book_fsck(const struct book *book, struct fixture *f);
size_t book_n_refused(const struct book *book);
void book_clear(struct book *book); /* for another store; the random numbers go on */
void book_done(struct book *book);

#endif
