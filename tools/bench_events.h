/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_events.h: made-up access events to measure with: 314 bytes in a region like
 * eu-central, 8 index keys (actor, two resources, event type, action, service, tenant, and a trace
 * of its own), 72 bytes of incompressible digest and ids beside the event's id, actors and
 * resources by Zipf's law. Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_EVENTS_H
#define STELE_TOOLS_BENCH_EVENTS_H

#include "storage/bytes.h"
#include "tools/bench_clock.h"

#define STELE_BENCH_ZIPF_POINTS 1025
struct stele_bench_zipf {
    uint32_t n; /* the points are for; 0: for none yet */
    double point[STELE_BENCH_ZIPF_POINTS];
};

#define STELE_BENCH_EVENT_BYTES_MAX 512
/* Where an event differs from the others: offsets. */
struct stele_bench_places {
    size_t id, time, actor, dataset, digest, size, model, trace, span, duration, rows, columns;
};

/* What the event made last says, for those who keep it in columns. */
struct stele_bench_made {
    uint64_t time_unix_nano;
    uint32_t actor, dataset; /* ranks */
};

/* Set the first four; the rest is zero at first. */
struct stele_bench_events {
    uint64_t state; /* of the generator; a seed */
    const char *region;
    uint32_t n_actors;               /* rank 0 is the busiest */
    struct stele_bench_clock *clock; /* steps for each event; NULL: the real time */
    struct stele_bench_zipf actors, datasets, models;
    uint8_t event[STELE_BENCH_EVENT_BYTES_MAX]; /* the one they are copied from */
    size_t size;                                /* of it; 0: none yet */
    struct stele_bench_places places;
    struct stele_bench_made made;
};

/* How many actors there are among so many events: one for 100, so that the rarest have about ten;
 * at least 10,000, at most as many as have a name. */
uint32_t stele_bench_actors(uint64_t events);
/* The actor, and the dataset, of about `wanted` of `events` events; the busiest or the rarest one
 * where there is none. */
uint32_t stele_bench_actor_of(uint64_t wanted, uint64_t events);
uint32_t stele_bench_dataset_of(uint64_t wanted, uint64_t events);

/* Appends one event that happens now, on that clock. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_bench_event(struct stele_bench_events *events, stele_buf *payload,
                                              stele_err *err);
/* "user-000042". */
void stele_bench_actor(uint32_t rank, char out[STELE_AT_LEAST(32)]);
#define STELE_BENCH_ABSENT_ACTOR 999999u /* a name that no event has */
/* "dataset://features/part-00042". */
void stele_bench_dataset(uint32_t rank, char out[STELE_AT_LEAST(32)]);

#endif
