/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/engine_behaviour.h: what storage/engine.h promises, as tests that run over any
 * engine. A program gives a way to make a fresh engine and one to restart it, and calls
 * engine_behaviour_run.
 */
#ifndef STELE_TESTS_SUPPORT_ENGINE_BEHAVIOUR_H
#define STELE_TESTS_SUPPORT_ENGINE_BEHAVIOUR_H

#include "storage/engine.h"
#include "tests/support/cmocka.h"

struct engine_subject {
    struct stele_engine *engine;
    void (*make)(struct engine_subject *subject); /* an empty engine */
    void (*restart)(
        struct engine_subject *subject); /* as after the process ended and began again */
    void (*done)(struct engine_subject *subject);
    char folder[64];
};

struct engine_behaviour {
    const char *claim; /* the test's name after "engine__" */
    void (*check)(struct engine_subject *subject);
};
extern const struct engine_behaviour engine_behaviours_of_chains[];
extern const size_t engine_behaviours_of_chains_n;
extern const struct engine_behaviour engine_behaviours_of_blobs[];
extern const size_t engine_behaviours_of_blobs_n;

/* Runs all of them, each on an engine of its own, and then `n` tests of the program. Returns
 * failures. */
int engine_behaviour_run(const char *group, const struct engine_subject *subject,
                         const struct CMUnitTest *own, size_t n);

/* Appends and waits; `err` of cmocka's kind is for the caller. */
stele_status engine_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                           stele_view record, stele_err *err);
/* Records of [from, end) as "pos:bytes;" text, for comparing. */
stele_status engine_read_text(struct stele_engine *e, const char *log, uint64_t from,
                              stele_buf *ret, uint64_t *ret_first, stele_err *err);
/* Keys with a prefix as "key;" text. */
stele_status engine_list_text(struct stele_engine *e, const char *prefix, stele_buf *ret,
                              stele_err *err);

#endif
