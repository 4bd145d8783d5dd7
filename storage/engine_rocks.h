/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_rocks.h: the ordered key-value store under the embedded engine: three families,
 * atomic batches, scans. Layer: storage, for engine_local.c only. RocksDB's types never leave
 * engine_rocks.c.
 *
 * After any failed write nothing is written until _reopen has read back what is on disk: RocksDB
 * may hold a record in its log whose sync failed, and only a replay says whether it is there.
 */
#ifndef STELE_STORAGE_ENGINE_ROCKS_H
#define STELE_STORAGE_ENGINE_ROCKS_H

#include "storage/engine.h"

typedef enum stele_rocks_family {
    STELE_ROCKS_CHAIN, /* log, 0x00, u64 position -> record */
    STELE_ROCKS_VIEW,  /* log, 0x00, key -> value */
    STELE_ROCKS_META,  /* name -> value */
    STELE_ROCKS_FAMILIES
} stele_rocks_family;

typedef enum stele_rocks_kind {
    STELE_ROCKS_PUT,
    STELE_ROCKS_DELETE,
    STELE_ROCKS_DELETE_RANGE
} stele_rocks_kind;

typedef enum stele_durability {
    STELE_SYNCED, /* on disk when the call returns, and before another one is logged */
    STELE_MEMORY  /* on disk some time later, in order; not logged */
} stele_durability;

struct stele_rocks_op {
    stele_rocks_family family;
    stele_rocks_kind kind;
    stele_view key;
    stele_view value; /* PUT: the value; DELETE_RANGE: the first key not deleted; DELETE: unused */
};

struct stele_rocks;

/* Whether what was acknowledged is there: called on a store that is open for reading and may be
 * damaged. */
typedef stele_status (*stele_rocks_check_fn)(void *ctx, struct stele_rocks *r, stele_err *err);

/*
 * A log whose last record a power cut left torn is opened without that record, provided `check`
 * agrees; any other damage is CORRUPT and changes nothing on disk. A full disk: opened for reading,
 * as after a failed write. Errors: NOT_FOUND (none there and not `create`), DENIED (open
 * elsewhere), CORRUPT, IO.
 */
STELE_MUST_USE stele_status stele_rocks_open(const char *path, bool create,
                                             stele_rocks_check_fn check, void *ctx,
                                             struct stele_rocks **ret, stele_err *err);
void stele_rocks_close(struct stele_rocks *r);

/*
 * If a write has failed: waits until no call is inside, closes, opens again and so reads back what
 * is on disk, made durable anew. If it cannot be opened for writing it is opened for reading where
 * that works, and the failure is returned. No-op without a failed write. Never call it from a
 * scan's `fn`.
 */
STELE_MUST_USE stele_status stele_rocks_reopen(struct stele_rocks *r, stele_err *err);
/* Grows with each failed write and each reopening: who remembers one knows whether it still holds.
 */
uint64_t stele_rocks_generation(struct stele_rocks *r);

/* Atomic over all families. Errors: CLOSED after a failed write, else IO, NO_SPACE, CORRUPT. */
STELE_MUST_USE stele_status stele_rocks_write(struct stele_rocks *r,
                                              const struct stele_rocks_op *ops, size_t n,
                                              stele_durability durability, stele_err *err);
/* Appends the value to `ret`. Errors: NOT_FOUND, IO, CORRUPT, CLOSED. */
STELE_MUST_USE stele_status stele_rocks_get(struct stele_rocks *r, stele_rocks_family family,
                                            stele_view key, stele_buf *ret, stele_err *err);
/* Keys in [from, to), ascending, as they were when the call began. `fn` may call anything of the
 * engine but claim() and close(). */
STELE_MUST_USE stele_status stele_rocks_scan(struct stele_rocks *r, stele_rocks_family family,
                                             stele_view from, stele_view to, stele_kv_fn fn,
                                             void *ctx, stele_err *err);
/* Appends the greatest key in [from, to) to `ret_key`. Errors: NOT_FOUND, IO, CORRUPT, CLOSED. */
STELE_MUST_USE stele_status stele_rocks_last(struct stele_rocks *r, stele_rocks_family family,
                                             stele_view from, stele_view to, stele_buf *ret_key,
                                             stele_err *err);

#endif
