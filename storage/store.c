/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/store.c: opens a region's store, lists its logs in the system log, runs packer, merger
 * and indexer, closes it.
 *
 * The system log is opened first and closed last: every other log is listed there before its first
 * event.
 */
#include "storage/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "storage/log_parts.h"
#include "storage/monotonic.h"
#include "storage/thread.h"

#define PACK_ENTRIES_DEFAULT 65536u
#define CHECKPOINT_INTERVAL_MS_DEFAULT 1000u
/* Failed work is tried again soon, and then less and less often. */
#define WORKER_RETRY_MS_MIN 20u
#define WORKER_RETRY_MS_MAX 2000u

/* A thread of background work: rounds over all logs until there is nothing left to do, then it
 * sleeps. */
struct worker {
    struct stele_store *store;
    stele_status (*one)(struct stele_log *log, bool *ret_did, stele_err *err);
    pthread_t thread;
    pthread_cond_t wake;
    bool runs, woken;
};

struct stele_store {
    char region[STELE_REGION_NAME_MAX + 1];
    struct stele_engine *engine;
    struct stele_keyring *keyring;
    struct stele_event_map map;
    stele_clock_fn clock;
    void *clock_ctx;
    bool read_only, any_key_order;
    stele_report_fn report;
    void *report_ctx;
    uint32_t pack_entries, checkpoint_interval_ms;
    size_t n_logs;
    struct stele_log *log[STELE_LOGS_MAX]; /* sorted by name */
    struct stele_log *system;
    const stele_view *not_before;
    size_t n_not_before;
    pthread_mutex_t lock; /* the workers' flags and `stopping` */
    bool stopping;
    struct worker packer, merger;
    struct stele_indexer indexer;
};

uint64_t stele_clock_wall(void *ctx) {
    struct timespec now;
    (void)ctx;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

const char *stele_store_region(const struct stele_store *store) {
    return store->region;
}

size_t stele_store_n_logs(const struct stele_store *store) {
    return store->n_logs;
}

struct stele_log *stele_store_log_at(struct stele_store *store, size_t i) {
    assert(i < store->n_logs);
    return store->log[i];
}

struct stele_log *stele_store_log(struct stele_store *store, const char *name) {
    for (size_t i = 0; i < store->n_logs; i++) {
        if (strcmp(store->log[i]->name, name) == 0) {
            return store->log[i];
        }
    }
    return NULL;
}

uint64_t stele_store_now_us(struct stele_store *store) {
    return store->clock(store->clock_ctx);
}

bool stele_store__read_only(const struct stele_store *store) {
    return store->read_only;
}

bool stele_store__any_key_order(const struct stele_store *store) {
    return store->any_key_order;
}

const struct stele_event_map *stele_store_map(const struct stele_store *store) {
    return &store->map;
}

stele_status stele_store_secret(struct stele_store *store, const char *name,
                                uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    return stele_keyring_secret(store->keyring, name, ret, err);
}

void stele_store__report(struct stele_store *store, const char *log, const stele_err *err) {
    if (store->report != NULL) {
        store->report(store->report_ctx, log, err);
    }
}

const stele_view *stele_store__not_before(const struct stele_store *store, size_t *ret_n) {
    *ret_n = store->n_not_before;
    return store->not_before;
}

static void wake(struct worker *worker) {
    (void)pthread_mutex_lock(&worker->store->lock);
    worker->woken = true;
    (void)pthread_cond_signal(&worker->wake);
    (void)pthread_mutex_unlock(&worker->store->lock);
}

void stele_store__wake_packer(struct stele_store *store) {
    wake(&store->packer);
}

bool stele_store__stopping(struct stele_store *store) {
    (void)pthread_mutex_lock(&store->lock);
    bool stopping = store->stopping;
    (void)pthread_mutex_unlock(&store->lock);
    return stopping;
}

stele_status stele_store_route(struct stele_store *store, stele_view tenant,
                               uint8_t retention_years, struct stele_log **ret, stele_err *err) {
    struct stele_log *shared = NULL;
    for (size_t i = 0; i < store->n_logs; i++) {
        struct stele_log *log = store->log[i];
        if (log == store->system || log->years != retention_years ||
            !stele_log_takes_tenant(log, tenant)) {
            continue;
        }
        if (log->n_tenants > 0) {
            *ret = log;
            return STELE_OK;
        }
        shared = shared == NULL ? log : shared;
    }
    if (shared == NULL) {
        return STELE_FAIL(err, NOT_FOUND,
                          "region %s has no log that keeps this tenant's events for %u years; ask "
                          "the operator to configure one",
                          store->region, retention_years);
    }
    *ret = shared;
    return STELE_OK;
}

/* One round over all logs; whether another is to come. Errors are reported and tried again later:
 * nothing is lost, the record chain still holds what is not packed, and segments stay until they
 * are merged. */
static bool work_round(struct worker *worker) {
    struct stele_store *store = worker->store;
    bool failed = false;
    for (size_t i = 0; i < store->n_logs; i++) {
        stele_err err;
        bool did = true;
        stele_status st = STELE_OK;
        while (st == STELE_OK && did) {
            st = worker->one(store->log[i], &did, &err);
            if (st == STELE_OK && did && worker == &store->packer) {
                wake(&store->merger);
            }
        }
        if (st != STELE_OK && st != STELE_BUSY &&
            !(st == STELE_CLOSED && stele_store__stopping(store))) {
            stele_store__report(store, store->log[i]->full_name, &err);
        }
        failed = failed || st != STELE_OK;
    }
    return failed;
}

/* Sleeps until there is work, for retry_ms at most if that is not 0. False when the store stops. */
static bool work_waits(struct worker *worker, unsigned retry_ms) {
    struct stele_store *store = worker->store;
    const struct timespec until = stele_monotonic_in_ms(retry_ms);
    int timed_out = 0;
    (void)pthread_mutex_lock(&store->lock);
    while (!worker->woken && !store->stopping && timed_out == 0) {
        timed_out = retry_ms == 0 ? pthread_cond_wait(&worker->wake, &store->lock)
                                  : pthread_cond_timedwait(&worker->wake, &store->lock, &until);
    }
    worker->woken = false;
    bool stopping = store->stopping;
    (void)pthread_mutex_unlock(&store->lock);
    return !stopping;
}

static void *work(void *arg) {
    struct worker *worker = arg;
    unsigned retry_ms = 0;
    do {
        if (!work_round(worker)) {
            retry_ms = 0;
        } else {
            retry_ms = retry_ms == 0 ? WORKER_RETRY_MS_MIN : retry_ms * 2;
            retry_ms = retry_ms < WORKER_RETRY_MS_MAX ? retry_ms : WORKER_RETRY_MS_MAX;
        }
    } while (work_waits(worker, retry_ms));
    return NULL;
}

/* A store keeps the pack size it was made with: packs tile the log by it. */
static stele_status settle_pack_entries(struct stele_store *store, uint32_t wanted,
                                        stele_err *err) {
    stele_buf stored = STELE_BUF_EMPTY;
    uint8_t bytes[4];
    uint32_t entries = wanted == 0 ? PACK_ENTRIES_DEFAULT : wanted;
    stele_status st = store->engine->ops->meta_get(store->engine, "pack_entries", &stored, err);
    if (st == STELE_OK && stored.size == sizeof bytes) {
        entries = stele_get_u32(stored.data);
    } else if (st == STELE_NOT_FOUND && !store->read_only) {
        stele_put_u32(bytes, entries);
        st = store->engine->ops->meta_put(store->engine, "pack_entries",
                                          stele_view_of(bytes, sizeof bytes), err);
    } else if (st == STELE_OK || st == STELE_NOT_FOUND) {
        st = STELE_FAIL(err, CORRUPT, "region %s: the store does not say its pack size",
                        store->region);
    }
    if (st == STELE_OK &&
        (entries < 256 || entries > (1u << 20) || (entries & (entries - 1)) != 0)) {
        st = STELE_FAIL(err, INVALID,
                        "packs of %u entries: a power of two from 256 to 1,048,576 is needed",
                        entries);
    }
    store->pack_entries = entries;
    stele_buf_done(&stored);
    return st;
}

static stele_status open_parts(struct stele_store *store, const struct stele_store_config *config,
                               stele_err *err) {
    stele_buf path = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    store->engine = config->engine;
    if (store->engine == NULL) {
        STELE_TRY(stele_engine_rocks_open(config->dir, config->region, config->create,
                                          &store->engine, err));
    }
    STELE_TRY(stele_buf_printf(&path, err, "%s/keys", config->dir));
    STELE_TRY(stele_keyring_open((const char *)path.data, config->create, &store->keyring, err));
    STELE_TRY(settle_pack_entries(store, config->pack_entries, err));
cleanup:
    stele_buf_done(&path);
    return st;
}

static stele_status open_log(struct stele_store *store, const struct stele_store_config *config,
                             const struct stele_log_config *log_config, stele_err *err) {
    struct stele_log *log = stele_alloc(1, sizeof *log);
    if (log == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for log %s", log_config->name);
    }
    log->engine = store->engine;
    log->keyring = store->keyring;
    log->map = &store->map;
    log->pack_entries = store->pack_entries;
    log->checkpoint_interval_ms = store->checkpoint_interval_ms;
    log->indexer = &store->indexer;
    int n = snprintf(log->origin, sizeof log->origin, "%s/%s/%s", config->operator_domain,
                     config->region, log_config->name);
    size_t at = store->n_logs;
    while (at > 0 && strcmp(store->log[at - 1]->name, log_config->name) > 0) {
        store->log[at] = store->log[at - 1];
        at--;
    }
    store->log[at] = log; /* freed with the store from here on */
    store->n_logs++;
    if (n < 0 || (size_t)n >= sizeof log->origin) {
        log->origin[0] = '\0';
        return STELE_FAIL(err, INVALID, "operator domain '%s' is too long for an origin",
                          config->operator_domain);
    }
    if (strcmp(log_config->name, STELE_SYSTEM_LOG) == 0) {
        store->system = log;
    }
    return stele_log__open(store, log_config, log, err);
}

/* Lists a log in the system log's state unless it is there already. */
static stele_status list_log(struct stele_store *store, struct stele_log *log, stele_err *err) {
    stele_buf key = STELE_BUF_EMPTY;
    stele_buf body = STELE_BUF_EMPTY;
    struct stele_log_view *view = NULL;
    stele_view value;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_printf(&key, err, "logs/%s", log->name));
    if (!stele_state_get(&store->system->head.state, stele_view_buf(&key), &value)) {
        STELE_TRY(stele_log_view_open(log, &view, err));
        STELE_TRY(stele_log_view_node(view, 0, 0, leaf, err));
        STELE_TRY(stele_control_logs_body(log->name, log->origin, log->years, leaf, &body, err));
        STELE_TRY(stele_log__append_control(store->system, STELE_CONTROL_LOGS,
                                            stele_view_buf(&body), err));
    }
cleanup:
    stele_log_view_close(view);
    stele_buf_done(&key);
    stele_buf_done(&body);
    return st;
}

static stele_status open_logs(struct stele_store *store, const struct stele_store_config *config,
                              stele_err *err) {
    stele_status st = STELE_OK;
    const struct stele_log_config *system = NULL;
    for (size_t i = 0; i < config->n_logs; i++) {
        system = strcmp(config->logs[i].name, STELE_SYSTEM_LOG) == 0 ? &config->logs[i] : system;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->logs[i].name, config->logs[j].name) == 0) {
                return STELE_FAIL(err, INVALID, "region %s: log '%s' is configured twice",
                                  config->region, config->logs[i].name);
            }
        }
    }
    if (system == NULL || config->n_logs > STELE_LOGS_MAX) {
        return STELE_FAIL(
            err, INVALID,
            "region %s: %zu logs; a log named 'system' and at most %d logs are needed",
            config->region, config->n_logs, STELE_LOGS_MAX);
    }
    STELE_TRY(open_log(store, config, system, err));
    for (size_t i = 0; i < config->n_logs; i++) {
        if (&config->logs[i] != system) {
            STELE_TRY(open_log(store, config, &config->logs[i], err));
        }
    }
    STELE_TRY(stele_log__begin(store->system, err));
    for (size_t i = 0; i < store->n_logs; i++) {
        if (store->log[i] != store->system) {
            STELE_TRY(stele_log__begin(store->log[i], err));
        }
    }
    if (store->read_only) {
        return STELE_OK;
    }
    STELE_TRY(stele_log__start(store->system, err));
    for (size_t i = 0; i < store->n_logs; i++) {
        STELE_TRY(list_log(store, store->log[i], err));
    }
    for (size_t i = 0; i < store->n_logs; i++) {
        if (store->log[i] != store->system) {
            store->log[i]->floor_us = store->system->head.time_us;
            STELE_TRY(stele_log__start(store->log[i], err));
        }
    }
cleanup:
    return st;
}

static stele_status start_worker(struct worker *worker, const char *name, stele_err *err) {
    int failed =
        worker->store->read_only ? 0 : stele_thread_start(&worker->thread, name, work, worker);
    if (failed != 0) {
        return STELE_FAIL_ERRNO(err, failed,
                                "region %s: a thread for packing and merging cannot start",
                                worker->store->region);
    }
    worker->runs = !worker->store->read_only;
    return STELE_OK;
}

static void stop_worker(struct worker *worker) {
    if (worker->runs) {
        wake(worker);
        (void)pthread_join(worker->thread, NULL);
    }
    (void)pthread_cond_destroy(&worker->wake);
}

/* Merging has a thread of its own: it may take minutes, and entries must be packed meanwhile. */
static void init_workers(struct stele_store *store) {
    pthread_condattr_t monotonic; /* the wall clock may jump: nobody waits by it */
    store->packer = (struct worker){.store = store, .one = stele_log__pack_one};
    store->merger = (struct worker){.store = store, .one = stele_log__merge_one};
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->packer.wake, &monotonic);
    (void)pthread_cond_init(&store->merger.wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

stele_status stele_store_open(const struct stele_store_config *config, struct stele_store **ret,
                              stele_err *err) {
    stele_status st = STELE_OK;
    if (strlen(config->region) > STELE_REGION_NAME_MAX) {
        return STELE_FAIL(err, INVALID, "region '%s': at most %d characters", config->region,
                          STELE_REGION_NAME_MAX);
    }
    struct stele_store *store = stele_alloc(1, sizeof *store);
    if (store == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for region %s", config->region);
    }
    memcpy(store->region, config->region, strlen(config->region) + 1);
    store->map = config->map;
    store->clock = config->clock != NULL ? config->clock : stele_clock_wall;
    store->clock_ctx = config->clock_ctx;
    store->read_only = config->read_only;
    store->any_key_order = config->read_only && config->any_key_order;
    store->report = config->report;
    store->report_ctx = config->report_ctx;
    store->not_before = config->not_before;
    store->n_not_before = config->n_not_before;
    store->checkpoint_interval_ms = config->checkpoint_interval_ms == 0
                                        ? CHECKPOINT_INTERVAL_MS_DEFAULT
                                        : config->checkpoint_interval_ms;
    init_workers(store);
    stele_indexer__init(&store->indexer, store, config);
    STELE_TRY(stele_not_before__known(config, err));
    STELE_TRY(open_parts(store, config, err));
    STELE_TRY(open_logs(store, config, err));
    STELE_TRY(start_worker(&store->packer, "pack", err));
    STELE_TRY(start_worker(&store->merger, "merge", err));
    STELE_TRY(stele_indexer__start(&store->indexer, err));
    *ret = store;
    store = NULL;
cleanup:
    stele_store_close(store);
    return st;
}

void stele_store_close(struct stele_store *store) {
    if (store == NULL) {
        return;
    }
    stele_indexer__stop(&store->indexer);
    for (size_t i = 0; i < store->n_logs; i++) {
        if (store->log[i] != store->system) {
            stele_log__stop(store->log[i]);
        }
    }
    if (store->system != NULL) {
        stele_log__stop(store->system);
    }
    (void)pthread_mutex_lock(&store->lock);
    store->stopping = true;
    (void)pthread_mutex_unlock(&store->lock);
    stop_worker(&store->packer);
    stop_worker(&store->merger);
    for (size_t i = 0; i < store->n_logs; i++) {
        stele_log__free(store->log[i]);
    }
    stele_keyring_close(store->keyring);
    if (store->engine != NULL) {
        store->engine->ops->close(store->engine);
    }
    stele_indexer__done(&store->indexer);
    (void)pthread_mutex_destroy(&store->lock);
    stele_free(store);
}
