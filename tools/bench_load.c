/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_load.c: threads that take the next due call, wait for its time, make it, and count:
 * one for all single appends (bench_unary.h), one for each stream, a few for searches. When all are
 * busy the next calls are late, and their lateness counts.
 */
#include "tools/bench_load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "storage/monotonic.h"
#include "tools/bench_events.h"
#include "tools/bench_query.h"
#include "tools/bench_unary.h"
#include "tools/shipper.h"

#define QUERY_CLIENTS 8u /* searches under way at a time */
#define QUERY_LIMIT                                                                                \
    1000u /* hits of one: what a person looks at, so that load does not grow with the store */
#define TIMEOUT_MS 60000u /* of a call, and of not being answered at all */

struct worker {
    struct run *run;
    struct stele_cli *cli; /* one, or all that single appends go over */
    uint64_t n_clis;
    uint64_t number;
    struct stele_bench_events events;
    struct stele_bench_tally tally;
    stele_status st;
    stele_err err;
};

struct run {
    const struct stele_bench_load *load;
    uint64_t start_us, n_calls, n_queries; /* due in all; UINT64_MAX: until end_us */
    uint64_t end_us;
    double unix_s; /* at start_us */
    atomic_uint_fast64_t next_query;
    atomic_bool stop; /* something failed */
};

static uint64_t due_us(const struct run *run, uint64_t number, double per_s) {
    return run->start_us + (uint64_t)((double)number * 1e6 / per_s);
}

/* ------------------------------------------------------------------ single appends */
static void finish(struct worker *worker, stele_status st) {
    worker->st = st;
    if (st != STELE_OK) {
        atomic_store(&worker->run->stop, true);
    }
}

static void *append_singles(void *arg) {
    struct worker *worker = arg;
    struct run *run = worker->run;
    struct stele_rpc_client *clients[STELE_BENCH_CLIENTS_MAX];
    for (uint64_t i = 0; i < worker->n_clis; i++) {
        clients[i] = worker->cli[i].client;
    }
    struct stele_bench_unary unary = {.clients = clients,
                                      .n_clients = worker->n_clis,
                                      .n_calls_max = (uint32_t)run->load->clients,
                                      .calls_per_s = run->load->events_per_s,
                                      .n_calls = run->n_calls,
                                      .end_us = run->end_us,
                                      .events = &worker->events,
                                      .tally = &worker->tally,
                                      .stop = &run->stop};
    finish(worker, stele_bench_unary_run(&unary, &worker->err));
    return NULL;
}

/* ------------------------------------------------------------------ streams */
static void shipped(void *ctx, const struct stele_shipped *event) {
    struct worker *worker = ctx;
    const struct stele_bench_load *load = worker->run->load;
    if (event->code != 0) {
        if (worker->st == STELE_OK) {
            worker->st =
                STELE_FAIL(&worker->err, INVALID, "an event was refused: %.200s", event->error);
        }
        return;
    }
    worker->tally.stored++;
    stele_bench_tally_count(
        &worker->tally,
        due_us(worker->run, event->line / load->batch, load->events_per_s / (double)load->batch),
        event->decided_us);
}

/* Until a batch is due: reports what is decided meanwhile. */
static stele_status wait_until(struct stele_shipper *shipper, uint64_t due, stele_err *err) {
    stele_status st = STELE_OK;
    bool idle = false;
    for (uint64_t now = stele_monotonic_us(); st == STELE_OK && now < due;
         now = stele_monotonic_us()) {
        if (idle || due - now < 1000) {
            stele_monotonic_sleep_until(due);
        } else {
            st = stele_shipper_wait(shipper, (uint32_t)((due - now) / 1000u), &idle, err);
        }
    }
    return st;
}

static void *append_batches(void *arg) {
    struct worker *worker = arg;
    struct run *run = worker->run;
    const struct stele_bench_load *load = run->load;
    struct stele_shipper *shipper = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err *err = &worker->err;
    stele_status st = STELE_OK;
    struct stele_shipper_options options = {.batch_events = (uint32_t)load->batch,
                                            .timeout_ms = TIMEOUT_MS};
    STELE_TRY(stele_shipper_open(worker->cli->client, &options, shipped, worker, &shipper, err));
    for (uint64_t number = worker->number; number < run->n_calls && !atomic_load(&run->stop);
         number += load->clients) {
        STELE_TRY(wait_until(shipper, due_us(run, number, load->events_per_s / (double)load->batch),
                             err));
        for (uint64_t i = 0; i < load->batch; i++) {
            stele_buf_clear(&payload);
            STELE_TRY(stele_bench_event(&worker->events, &payload, err));
            STELE_TRY(stele_shipper_put(shipper, number * load->batch + i, stele_view_buf(&payload),
                                        err));
        }
    }
    STELE_TRY(stele_shipper_finish(shipper, err));
    st = worker->st;
cleanup:
    stele_shipper_close(shipper);
    stele_buf_done(&payload);
    finish(worker, st);
    return NULL;
}

/* ------------------------------------------------------------------ queries */
static void *ask(void *arg) {
    static const uint32_t ranks[] = {
        0, 3, 10, 100, 1000, STELE_BENCH_ACTORS - 1, STELE_BENCH_ACTORS + 1};
    struct worker *worker = arg;
    struct run *run = worker->run;
    stele_status st = STELE_OK;
    while (!atomic_load(&run->stop)) {
        uint64_t number = atomic_fetch_add(&run->next_query, 1);
        uint64_t due = due_us(run, number, run->load->queries_per_s);
        struct stele_bench_asked asked;
        char actor[32];
        if (number >= run->n_queries) {
            break;
        }
        stele_monotonic_sleep_until(due);
        stele_bench_actor(ranks[number % (sizeof ranks / sizeof ranks[0])], actor);
        STELE_TRY(stele_bench_ask(worker->cli, run->load->region, actor, QUERY_LIMIT, &asked,
                                  &worker->err));
        worker->tally.hits += asked.events;
        stele_bench_tally_count(&worker->tally, due, stele_monotonic_us());
    }
cleanup:
    finish(worker, st);
    return NULL;
}

/* ------------------------------------------------------------------ all of it */
static uint64_t n_appenders(const struct stele_bench_load *load) {
    return load->batch == 0 ? 1 : load->clients;
}

static stele_status gather(struct worker *workers, size_t n, struct stele_bench_load_figures *ret,
                           stele_err *err) {
    struct stele_bench_tally *tallies[STELE_BENCH_CLIENTS_MAX + QUERY_CLIENTS];
    for (size_t i = 0; i < n; i++) {
        struct stele_bench_tally *tally = tallies[i] = &workers[i].tally;
        if (workers[i].st != STELE_OK) {
            *err = workers[i].err;
            return workers[i].st;
        }
        bool asks = i >= n_appenders(workers[i].run->load);
        stele_bench_histogram_merge(asks ? &ret->query : &ret->append, &tally->latency);
        ret->stored += tally->stored;
        ret->repeated += tally->repeated;
        ret->hits += tally->hits;
    }
    return stele_bench_tally_stalls(tallies, n, ret->stall, &ret->n_stalls, err);
}

static stele_status open_clis(const struct stele_bench_load *load, struct worker *worker,
                              stele_err *err) {
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < worker->n_clis; i++) {
        STELE_TRY(load->null != NULL
                      ? stele_bench_null_connect(load->null, &worker->cli[i].client, err)
                      : stele_cli_open("bench", load->config, &worker->cli[i], err));
    }
    /* A handshake is no part of what is measured. */
    for (uint64_t i = 0; i < worker->n_clis; i++) {
        if (!stele_rpc_client_wait(worker->cli[i].client, TIMEOUT_MS)) {
            st = STELE_FAIL(err, CLOSED, "no connection to '%s' within %u s; is steled running?",
                            load->null != NULL ? "itself" : worker->cli[i].config->server,
                            TIMEOUT_MS / 1000u);
            goto cleanup;
        }
    }
cleanup:
    return st;
}

static stele_status open_workers(struct run *run, struct worker *workers, size_t n,
                                 stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < n && st == STELE_OK; i++) {
        struct worker *worker = &workers[i];
        worker->run = run;
        worker->number = i;
        worker->n_clis = i == 0 && run->load->batch == 0 ? run->load->connections : 1;
        worker->events = (struct stele_bench_events){.state = (uint64_t)time(NULL) * 1000003u + i,
                                                     .region = run->load->region,
                                                     .n_actors = STELE_BENCH_ACTORS,
                                                     .clock = run->load->clock};
        worker->cli = stele_alloc(worker->n_clis, sizeof *worker->cli);
        st = worker->cli == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for %zu connections", n)
                                 : open_clis(run->load, worker, err);
    }
    return st;
}

static void start_clock(struct run *run) {
    const struct stele_bench_load *load = run->load;
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    double calls_per_s =
        load->batch == 0 ? load->events_per_s : load->events_per_s / (double)load->batch;
    run->unix_s = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
    run->start_us = stele_monotonic_us();
    run->end_us = run->start_us + (uint64_t)(load->duration_s * 1e6);
    run->n_calls = load->events_per_s > 0 ? (uint64_t)(calls_per_s * load->duration_s) : UINT64_MAX;
    run->n_calls = run->n_calls == 0
                       ? 1
                       : run->n_calls; /* a batch may take longer to fill than the run is long */
    run->n_queries = (uint64_t)(load->queries_per_s * load->duration_s);
}

stele_status stele_bench_load_run(const struct stele_bench_load *load,
                                  struct stele_bench_load_figures *ret, stele_err *err) {
    size_t n = n_appenders(load) + (load->queries_per_s > 0 ? QUERY_CLIENTS : 0);
    struct worker *workers = stele_alloc(n, sizeof *workers);
    pthread_t thread[STELE_BENCH_CLIENTS_MAX + QUERY_CLIENTS];
    struct run run = {.load = load};
    stele_status st = STELE_OK;
    size_t n_threads = 0;
    if (workers == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu clients", n);
    }
    STELE_TRY(open_workers(&run, workers, n, err));
    start_clock(&run);
    for (size_t i = 0; i < n; i++) {
        workers[i].tally.start_us = run.start_us;
        workers[i].tally.unix_s = run.unix_s;
    }
    double cpu = stele_bench_own_cpu_s();
    for (; n_threads < n && st == STELE_OK; n_threads += st == STELE_OK ? 1 : 0) {
        void *(*work)(void *) = n_threads >= n_appenders(load) ? ask
                                : load->batch == 0             ? append_singles
                                                               : append_batches;
        int failed = pthread_create(&thread[n_threads], NULL, work, &workers[n_threads]);
        if (failed != 0) {
            st = STELE_FAIL_ERRNO(err, failed, "cannot start a thread");
            atomic_store(&run.stop, true);
        }
    }
    for (size_t i = 0; i < n_threads; i++) {
        (void)pthread_join(thread[i], NULL);
    }
    ret->seconds = (double)(stele_monotonic_us() - run.start_us) / 1e6;
    ret->client_cpu_s = stele_bench_own_cpu_s() - cpu;
    STELE_TRY(st);
    STELE_TRY(gather(workers, n, ret, err));
cleanup:
    for (size_t i = 0; i < n; i++) {
        for (uint64_t j = 0; workers[i].cli != NULL && j < workers[i].n_clis; j++) {
            stele_cli_close(&workers[i].cli[j]);
        }
        stele_free(workers[i].cli);
    }
    stele_free(workers);
    return st;
}
