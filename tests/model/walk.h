/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/walk.h: every state that a machine can reach, nearest first, so that what is reported
 * is a shortest way to it. Layer: tests.
 *
 * A state is bytes: copied, compared and hashed as such, so that it must be zero wherever it has no
 * value.
 */
#ifndef STELE_TESTS_MODEL_WALK_H
#define STELE_TESTS_MODEL_WALK_H

#include <stdbool.h>
#include <stddef.h>

/* Called with each state that can follow. `step` is a literal. */
typedef void (*model_emit_fn)(void *ctx, const void *next, const char *step);

struct model_machine {
    size_t state_bytes;
    const void *first;  /* state */
    const void *bounds; /* given to the functions as it is */
    void (*steps)(const void *bounds, const void *state, model_emit_fn emit, void *ctx);
    /* What does not hold in a state; NULL if all does. A literal. */
    const char *(*violation)(const void *bounds, const void *state);
};

struct model_result {
    size_t states, steps;
    const char *violation; /* NULL: everything held */
    size_t trace_steps;    /* of the shortest way to it */
    const char *trace[64]; /* its steps, from the first */
};
/* False if there are more than max_states or no memory. */
bool model_explore(const struct model_machine *machine, size_t max_states,
                   struct model_result *ret);

#endif
