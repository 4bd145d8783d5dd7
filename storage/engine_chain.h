/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_chain.h: the record chains of the embedded engine, one a log, on the ordered
 * store. Layer: storage, for engine_local.c only. The calls mean what engine.h says of them.
 * Threads: any; the appends of one log run one after the other, those of several share a sync.
 */
#ifndef STELE_STORAGE_ENGINE_CHAIN_H
#define STELE_STORAGE_ENGINE_CHAIN_H

#include "storage/engine_acked.h"
#include "storage/engine_rocks.h"

#define STELE_CHAIN_FACT "chain" /* "chain/<log>" in the meta family: version, epoch, floor */

struct stele_chains;

/* Whether every record that is marked as acknowledged is there. Errors: CORRUPT, IO. */
STELE_MUST_USE stele_status stele_chains_check(struct stele_rocks *rocks, struct stele_acked *acked,
                                               stele_err *err);

/* Borrows both, which are closed after it. */
STELE_MUST_USE stele_status stele_chains_new(struct stele_rocks *rocks, struct stele_acked *acked,
                                             struct stele_chains **ret, stele_err *err);
void stele_chains_free(struct stele_chains *l);
STELE_MUST_USE stele_status stele_chains_claim(struct stele_chains *l, const char *log,
                                               uint64_t *ret_next_pos, uint64_t *ret_epoch,
                                               stele_err *err);
/* OK: on disk. Errors besides engine.h's: BUG (not the next position), LIMIT (record too large);
 * neither closes the chain. */
STELE_MUST_USE stele_status stele_chains_append(struct stele_chains *l, const char *log,
                                                uint64_t epoch, uint64_t pos, stele_view record,
                                                stele_err *err);
/* Errors besides engine.h's: NOT_FOUND (never claimed), CORRUPT (a hole). */
STELE_MUST_USE stele_status stele_chains_read(struct stele_chains *l, const char *log,
                                              uint64_t from, stele_record_fn fn, void *ctx,
                                              uint64_t *ret_first, stele_err *err);
STELE_MUST_USE stele_status stele_chains_trim(struct stele_chains *l, const char *log,
                                              uint64_t floor, stele_err *err);

#endif
