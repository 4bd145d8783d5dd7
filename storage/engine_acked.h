/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_acked.h: <dir>/ACKED, how far each chain has been acknowledged: evidence beside
 * the database, so that a database that comes back shorter is noticed. Layer: storage, for
 * engine_chain.c only.
 *
 * A mark is written after its record is synced and is not synced itself: it may be behind, by what
 * the kernel had not written out when the power failed, and never ahead. So a chain shorter than
 * its mark has lost records that were acknowledged; a mark that is missing or does not hold says
 * nothing. Who wants to go on after such a loss removes the file: it is made anew.
 */
#ifndef STELE_STORAGE_ENGINE_ACKED_H
#define STELE_STORAGE_ENGINE_ACKED_H

#include "storage/engine.h"

#define STELE_ACKED_MARKS 1024 /* as many as a region has logs at most */

struct stele_acked;

/* Makes the file if it is absent. Errors: IO, NO_SPACE. */
STELE_MUST_USE stele_status stele_acked_open(const char *dir, struct stele_acked **ret,
                                             stele_err *err);
void stele_acked_close(struct stele_acked *a);
/* Records below `next` of this log are acknowledged. Best effort; does not wait for a disk.
 * Threads: one at a time for one log. */
void stele_acked_note(struct stele_acked *a, const char *log, uint64_t next);

/* The mark of one log; 0 if there is none. */
uint64_t stele_acked_next(struct stele_acked *a, const char *log);

typedef stele_status (*stele_acked_fn)(void *ctx, const char *log, uint64_t next, stele_err *err);
/* Every mark that holds, as it was when the file was opened or noted since. */
STELE_MUST_USE stele_status stele_acked_each(struct stele_acked *a, stele_acked_fn fn, void *ctx,
                                             stele_err *err);

#endif
