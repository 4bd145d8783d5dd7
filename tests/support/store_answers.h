/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/store_answers.h: one digest of all that a store answers, to hold a changed store
 * against the one it was: every entry with its payload and salts, the tree, the newest checkpoint,
 * and what the index says of the keys of some events, in both directions.
 */
#ifndef STELE_TESTS_SUPPORT_STORE_ANSWERS_H
#define STELE_TESTS_SUPPORT_STORE_ANSWERS_H

#include "storage/log.h"

/* Each `every`-th event's keys are looked up. Errors: those of the first read that refuses. */
stele_status store_answers(struct stele_store *store, uint64_t every,
                           uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);

#endif
