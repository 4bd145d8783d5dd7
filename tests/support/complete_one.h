/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_one.h: answers about one log that a test makes, right or wrong: the log 1y
 * from December to February, of class 1, and a question about actor u-1 in it.
 */
#ifndef STELE_TESTS_SUPPORT_COMPLETE_ONE_H
#define STELE_TESTS_SUPPORT_COMPLETE_ONE_H

#include "tests/support/complete_bed.h"

struct one {
    struct complete_bed bed; /* of one log, or two */
    struct cm_log *log;
    struct stele_question question;
    struct plan_options options;
    void (*change)(struct plan *plan); /* before it is encoded; NULL: nothing */
};
/* A log of n entries over 80 days; the question names it. */
void one_begin(struct one *x, size_t n);
void one_end(struct one *x);
/* Asks for another actor. */
void one_ask(struct one *x, const char *actor);
/* Proves and verifies. */
stele_status one_judge(struct one *x, stele_err *err);
/* The newest entry's time. */
uint64_t one_now_us(const struct one *x);
/* The k-th event of u-1 (of tenant acme), late or not. */
uint64_t one_event(const struct one *x, bool late, size_t k);
/* Appends an event of an actor of a tenant, one minute after the newest entry; late: 3 days late.
 */
uint64_t one_add(struct one *x, const char *actor, const char *tenant, bool late, cm_spoil spoil);

/* A wrong log or proof and the words of its refusal. */
struct lie {
    const char *name;
    void (*make)(struct one *x);
    const char *reason; /* NULL: accepted */
};
void one_check_rows(const struct lie *rows, size_t n);

#endif
