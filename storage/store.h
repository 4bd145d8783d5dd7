/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/store.h: one region's store: its engine, its keys, its logs. Layer: storage.
 *
 * Opening creates the logs that the configuration names and the store does not have yet (genesis,
 * EPOCH, and their listing in the system log), recovers the others by replaying their record chains
 * through the code that commits, and refuses a store of another region, a log whose newest
 * checkpoint is not a prefix of what is stored (I5), and a damaged chain.
 */
#ifndef STELE_STORAGE_STORE_H
#define STELE_STORAGE_STORE_H

#include "storage/engine.h"
#include "storage/note.h"
#include "storage/tag.h"

#define STELE_LOGS_MAX 64 /* a region: 7 classes, system, and tenants with logs of their own */
#define STELE_LOG_TENANTS_MAX 4096 /* a log: each is one leaf of its state tree */
#define STELE_SYSTEM_LOG "system"
#define STELE_SYSTEM_TENANT "system" /* the tenant of the system log's own events */

/* Microseconds since 1970 UTC. steled gives the wall clock; tests may live through years. */
typedef uint64_t (*stele_clock_fn)(void *ctx);
uint64_t stele_clock_wall(void *ctx);

struct stele_log_config {
    const char *name;           /* "3y"; "system" is the system log */
    uint8_t retention_years;    /* 1..7 */
    const char *const *tenants; /* only these; NULL with n_tenants 0: every tenant */
    size_t n_tenants;
};

/* Background trouble (a failed pack, a slow disk) goes here; the program logs it once. */
typedef void (*stele_report_fn)(void *ctx, const char *log, const stele_err *err);

#define STELE_INDEX_NO_TIMER UINT32_MAX

struct stele_store_config {
    const char *dir; /* <dir>/db, <dir>/blobs, <dir>/keys */
    const char *region;
    const char *operator_domain;         /* origins are "<operator domain>/<region>/<log>" */
    const struct stele_log_config *logs; /* must contain the system log */
    size_t n_logs;
    struct stele_event_map map;
    stele_clock_fn clock; /* NULL: stele_clock_wall */
    void *clock_ctx;
    bool create;    /* make the store if dir is empty; otherwise NOT_FOUND */
    bool read_only; /* fsck: nothing is created, committed, packed or signed */
    /* audit, with read_only: an index segment whose keys are out of order is opened too, for the
     * proof that the log committed to it. Who reads it in another way finds it corrupt. */
    bool any_key_order;
    const stele_view *not_before; /* signed notes the store must extend, any log; checked at open */
    size_t n_not_before;
    uint32_t
        checkpoint_interval_ms; /* a new checkpoint at most this late after new entries; 0: 1,000 */
    /* An INDEX entry at most this late after new entries; 0: 2,000. STELE_INDEX_NO_TIMER: only when
     * asked. */
    uint32_t index_interval_ms;
    uint32_t index_spacing_ms; /* between two INDEX entries of a log at least; 0: 1,000 */
    uint32_t pack_entries;     /* 0: 65,536; tests take smaller powers of two, at least 256 */
    stele_report_fn report;
    void *report_ctx;
    struct stele_engine *engine; /* tests: takes ownership; NULL: RocksDB at dir */
};

struct stele_store;
struct stele_log;

STELE_MUST_USE stele_status stele_store_open(const struct stele_store_config *config,
                                             struct stele_store **ret, stele_err *err);
/* Finishes what is queued, signs last checkpoints, stops the background work. NULL is fine. */
void stele_store_close(struct stele_store *store);
const char *stele_store_region(const struct stele_store *store);
size_t stele_store_n_logs(const struct stele_store *store);
struct stele_log *stele_store_log_at(struct stele_store *store, size_t i);      /* sorted by name */
struct stele_log *stele_store_log(struct stele_store *store, const char *name); /* NULL if absent */
/* The log that takes a tenant's events of a class: one of its own if there is one, else the shared
 * one. Errors: NOT_FOUND (no log for this tenant and class; the text names the configured ones). */
STELE_MUST_USE stele_status stele_store_route(struct stele_store *store, stele_view tenant,
                                              uint8_t retention_years, struct stele_log **ret,
                                              stele_err *err);
uint64_t stele_store_now_us(struct stele_store *store); /* the log clock */
/* A secret of the region for authenticating cursors. */
STELE_MUST_USE stele_status stele_store_secret(struct stele_store *store, const char *name,
                                               uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
const struct stele_event_map *stele_store_map(const struct stele_store *store);

#endif
