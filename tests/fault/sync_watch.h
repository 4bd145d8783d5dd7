/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/sync_watch.h: questions about what was synced between two moments. The same questions
 * are asked of the engine as it is, where each must be answered yes, and of one compiled with its
 * syncs turned off (no_sync.h), where each must be answered no: a check that cannot fail proves
 * nothing.
 */
#ifndef STELE_TESTS_FAULT_SYNC_WATCH_H
#define STELE_TESTS_FAULT_SYNC_WATCH_H

#include "storage/engine.h"

/* Now, as a place in the log of syncs. */
uint64_t sync_watch_now(void);
/* How many successful syncs of a path that holds `part` and ends with `end` lie in [from, to). */
unsigned sync_watch_count(uint64_t from, uint64_t to, const char *part, const char *end);
/* The same for the first event: its place, or UINT64_MAX. `op` 0: any sync. */
uint64_t sync_watch_find(uint64_t from, uint64_t to, int op, const char *part, const char *end);

/* Whether a WAL file was synced after the call began and before `done` was called with OK. */
bool sync_watch_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos);
/* Whether the file was synced before it got its name, and its folders after that, before commit
 * returned. */
bool sync_watch_put(struct stele_engine *e, const char *key, const char *text,
                    const struct stele_lock *lock);
/* Whether a WAL file was synced before meta_put returned. */
bool sync_watch_fact(struct stele_engine *e, const char *name);

#endif
