/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/engine_step.h: the steps in which a store changes, by name, told from the call of
 * the engine that makes each: what the record holds that is appended, which blob is written. Tests
 * that stop a store at each step take their list from here, and fail if a step is never met or a
 * new one has no name.
 */
#ifndef STELE_TESTS_SUPPORT_ENGINE_STEP_H
#define STELE_TESTS_SUPPORT_ENGINE_STEP_H

#include "storage/bytes.h"

/* Units of stores whose steps are named end at multiples of this. */
#define ENGINE_STEP_PACK_ENTRIES 256u
#define ENGINE_STEP_BYTES 48 /* a name and its NUL */
#define ENGINE_STEPS 35
extern const char *const engine_step_names[ENGINE_STEPS];

/* The place in engine_step_names, ENGINE_STEPS if it has none there. */
size_t engine_step_find(const char *name);

/* The step of appending this record. */
const char *engine_step_of_record(stele_view record);
/* The step of a call on a blob: "begin", "write", "commit" or "remove". Into `out`. */
const char *engine_step_of_blob(const char *key, const char *call, char out[ENGINE_STEP_BYTES]);

#endif
