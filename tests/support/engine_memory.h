/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/engine_memory.h: an engine in memory, for unit tests and fuzzers. It keeps every
 * rule of storage/engine.h that the embedded one keeps (the shared behaviour test runs over both)
 * but durability: what is lost is lost only where a test asks for it, with engine_memory_restart.
 * Threads: any; one call runs at a time, appends call `done` with nothing held.
 */
#ifndef STELE_TESTS_SUPPORT_ENGINE_MEMORY_H
#define STELE_TESTS_SUPPORT_ENGINE_MEMORY_H

#include "storage/engine.h"

/* Freed by its `close`. */
STELE_MUST_USE stele_status engine_memory_new(struct stele_engine **ret, stele_err *err);
/* As after the death of the process: chains, blobs and facts stay, every chain must be claimed
 * again. With `lose_view` as after a power cut that took the view's unwritten part: all of it. */
void engine_memory_restart(struct stele_engine *e, bool lose_view);
/* Drops the records of a chain from `pos` on, which no engine does: for tests of what notices it.
 */
void engine_memory_cut_chain(struct stele_engine *e, const char *log, uint64_t pos);
/* The bytes of a blob, to be changed by tests of what notices it. NULL: no such blob. */
stele_buf *engine_memory_blob(struct stele_engine *e, const char *key);

#endif
