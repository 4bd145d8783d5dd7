/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/engine_fault.h: an engine around another one, whose Nth call of a chosen operation
 * fails. A test runs once without a fault to count the calls, then once for each N.
 *
 * After a failed append the chain takes no other (CLOSED) until claim(), as storage/engine.h
 * demands, and with `took_effect` the record is there all the same: a failed sync says nothing
 * about what is on disk.
 *
 * A watcher is told each step in which the store changes (engine_step.h), before and after it, and
 * may fail it, or end the process there.
 */
#ifndef STELE_TESTS_SUPPORT_ENGINE_FAULT_H
#define STELE_TESTS_SUPPORT_ENGINE_FAULT_H

#include "storage/engine.h"

typedef enum engine_fault_op {
    ENGINE_FAULT_ANY, /* counts every call of the ones below */
    ENGINE_FAULT_CLAIM,
    ENGINE_FAULT_APPEND,
    ENGINE_FAULT_READ,
    ENGINE_FAULT_TRIM,
    ENGINE_FAULT_BLOB_BEGIN,
    ENGINE_FAULT_BLOB_WRITE,
    ENGINE_FAULT_BLOB_COMMIT,
    ENGINE_FAULT_BLOB_GET,
    ENGINE_FAULT_BLOB_SIZE,
    ENGINE_FAULT_BLOB_LIST,
    ENGINE_FAULT_BLOB_RELOCK,
    ENGINE_FAULT_BLOB_EXPIRE,
    ENGINE_FAULT_VIEW_APPLY,
    ENGINE_FAULT_VIEW_SCAN,
    ENGINE_FAULT_META_PUT,
    ENGINE_FAULT_META_GET,
    ENGINE_FAULT_OPS
} engine_fault_op;

struct engine_fault {
    engine_fault_op op;
    uint64_t nth; /* counted from 1; 0: never */
    uint64_t n;   /* how many calls in a row fail, 0 counts as 1; UINT64_MAX: all from the nth on */
    stele_status status;
    bool took_effect; /* the call is carried out, and then said to have failed */
};

/* Owns `inner` from then on: closed with it. */
STELE_MUST_USE stele_status engine_fault_new(struct stele_engine *inner, struct stele_engine **ret,
                                             stele_err *err);
/* Sets the counts to 0 and what fails. NULL: nothing. */
void engine_fault_set(struct stele_engine *e, const struct engine_fault *fault);
/* Calls since then. */
uint64_t engine_fault_calls(struct stele_engine *e, engine_fault_op op);
/* Whether a call has been failed since then. */
bool engine_fault_struck(struct stele_engine *e);
/* `step` is one of engine_step_names, or says what it is that has no name there. A failure before
 * it: it is not made; after it: it has been made and is said to have failed. From any thread. */
typedef stele_status (*engine_fault_watch_fn)(void *ctx, const char *step, bool after,
                                              stele_err *err);
/* From then on; before the store is opened over it. */
void engine_fault_watch(struct stele_engine *e, engine_fault_watch_fn fn, void *ctx);
struct stele_engine *engine_fault_inner(struct stele_engine *e);

#endif
