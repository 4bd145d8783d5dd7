/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/event_gen.h: made-up but valid events, for tests and benchmarks.
 *
 * Same seed and options, same bytes. All events pass stele_event_check, and are in protobuf's usual
 * form: fields ascending, defaults left out. Running out of memory ends the program.
 */
#ifndef STELE_TESTS_SUPPORT_EVENT_GEN_H
#define STELE_TESTS_SUPPORT_EVENT_GEN_H

#include "storage/bytes.h"
#include "tests/support/rng.h"

struct stele_gen_options {
    const char *tenant;      /* NULL: "acme" */
    const char *region;      /* NULL: "eu-central-1" */
    uint32_t event_type;     /* 1..12; 0: a mix as of a busy platform, mostly inferences */
    uint32_t n_actors;       /* size of the universe; 0: 1,000 */
    uint32_t n_resources;    /* of each kind; 0: 200 */
    uint64_t time_unix_nano; /* 0: 2026-11-22T02:18:39.123456789Z */
};

/* Appends one realistic event. Actors and resources are drawn by Zipf's law: rank 0 is the busiest.
 */
void stele_gen_event(struct rng *rng, const struct stele_gen_options *options, stele_buf *payload);

/* Appends an inference of about 314 bytes, 136 of them incompressible: the shape to measure with.
 */
void stele_gen_inference(struct rng *rng, const struct stele_gen_options *options,
                         stele_buf *payload);

/* Appends any valid event of the type (1..12): every field of the schema may occur, up to its
 * limits. */
void stele_gen_any_event(struct rng *rng, uint32_t event_type, stele_buf *payload);

/* The ids the generator gives: "user-000042", "model/m-0007". `out` has 64 bytes. */
void stele_gen_actor_id(uint32_t rank, char out[STELE_AT_LEAST(64)]);
void stele_gen_model_id(uint32_t rank, char out[STELE_AT_LEAST(64)]);
void stele_gen_dataset_id(uint32_t rank, char out[STELE_AT_LEAST(64)]);

#endif
