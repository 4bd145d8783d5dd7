/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/query_bed.h: a real store full of made-up events, the same events in a plain array,
 * and questions drawn from what is in them. What a question must give is told by looking at every
 * event.
 */
#ifndef STELE_TESTS_SUPPORT_QUERY_BED_H
#define STELE_TESTS_SUPPORT_QUERY_BED_H

#include "query/filter.h"
#include "tests/support/rng.h"
#include "tests/support/store_fixture.h"

#define BED_REGION "eu-test"

struct bed_event {
    const char *log; /* "1y", "3y" or "system" */
    uint64_t seq;
    uint64_t time_us;
    stele_buf payload;
};
struct bed {
    struct fixture f; /* logs 1y, 3y and system, */
    struct rng rng;
    size_t n, capacity;
    struct bed_event *event; /* ascending by (time, log, seq) */
    size_t padding_bytes;
};

/* Fills the store with n_events over some months: both logs, two tenants, late events, equal times.
 */
void bed_new(struct bed *bed, const char *test, size_t n_events);
/* The same on disk, in the engine of production. */
void bed_new_on_disk(struct bed *bed, const char *test, size_t n_events);
void bed_done(struct bed *bed);
/* Appends n more now, and keeps the order of the array. */
void bed_append(struct bed *bed, const char *log, size_t n);
/* From now on events get an unknown field of so many bytes, as a newer source might send one. */
void bed_pad(struct bed *bed, size_t bytes);
/* Leaves the retention class to the log: the generator's events all ask for three years. */
void bed_drop_class(stele_buf *payload);

/* A question about the region that names a random log now and then and has up to 3 conditions that
 * some event meets (now and then one that none does), ranges, and an order. To be freed with _done.
 */
void bed_question(struct bed *bed, struct stele_query_question *ret);
/* Numbers of the events the question is answered with, in its order, without its limit. Room for n.
 */
size_t bed_expect(const struct bed *bed, const struct stele_query_question *question, size_t *ret);

#endif
