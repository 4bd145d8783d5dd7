/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_load.c: threads that take the next due call, wait for its time, make it, and count.
 * When all are busy the next calls are late, and their lateness counts.
 */
#include "tools/bench_load.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "proto/append_wire.h"
#include "storage/monotonic.h"
#include "tools/bench_events.h"
#include "tools/bench_query.h"
#include "tools/shipper.h"

#define QUERY_CLIENTS 8u /* searches under way at a time */
#define QUERY_LIMIT                                                                                \
    1000u /* hits of one: what a person looks at, so that load does not grow with the store */
#define TIMEOUT_MS 60000u /* of a call, and of not being answered at all */
#define REPEAT_MS_MAX 1000u
#define BUSY_CODE 8u /* RESOURCE_EXHAUSTED */

struct worker {
    struct run *run;
    struct stele_cli cli;
    uint64_t number;
    struct stele_bench_events events;
    struct stele_bench_histogram *latency;
    uint64_t stored, repeated, hits;
    struct stele_bench_stall stall[STELE_BENCH_STALLS_MAX];
    uint64_t n_stalls;
    stele_status st;
    stele_err err;
};

struct run {
    const struct stele_bench_load *load;
    uint64_t start_us, n_calls, n_queries; /* due in all; UINT64_MAX: until end_us */
    uint64_t end_us;
    double unix_s; /* at start_us */
    atomic_uint_fast64_t next_call, next_query;
    atomic_bool stop; /* something failed */
};

static void sleep_until(uint64_t at_us) {
    struct timespec at = {.tv_sec = (time_t)(at_us / 1000000u),
                          .tv_nsec = (long)(at_us % 1000000u) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static uint64_t due_us(const struct run *run, uint64_t number, double per_s) {
    return run->start_us + (uint64_t)((double)number * 1e6 / per_s);
}

static void count(struct worker *worker, uint64_t due, uint64_t done) {
    uint64_t us = done > due ? done - due : 0;
    stele_bench_histogram_add(worker->latency, us);
    if (us <= STELE_BENCH_STALL_US) {
        return;
    }
    double unix_s = worker->run->unix_s + ((double)due - (double)worker->run->start_us) / 1e6;
    struct stele_bench_stall *last =
        worker->n_stalls == 0 ? NULL
                              : &worker->stall[(worker->n_stalls - 1) % STELE_BENCH_STALLS_MAX];
    if (last != NULL && unix_s <= last->unix_s + last->ms / 1e3) {
        double until_s = unix_s + (double)us / 1e6;
        last->ms =
            until_s > last->unix_s + last->ms / 1e3 ? (until_s - last->unix_s) * 1e3 : last->ms;
        return;
    }
    worker->stall[worker->n_stalls++ % STELE_BENCH_STALLS_MAX] =
        (struct stele_bench_stall){unix_s, (double)us / 1e3};
}

/* ------------------------------------------------------------------ single appends */
static stele_status read_result(struct worker *worker, stele_view reply, uint32_t *ret_code,
                                stele_err *err) {
    struct stele_wire wire = stele_wire_of(reply);
    struct stele_append_result result;
    stele_status st = stele_append_response_next(&wire, &result, err);
    if (st == STELE_OK && result.code != 0 && result.code != BUSY_CODE) {
        st = STELE_FAIL(
            err, INVALID,
            "an event was refused: %.*s; does the region of client.conf take tenant 'acme'?",
            result.error.size < 120 ? (int)result.error.size : 120,
            (const char *)result.error.data);
    }
    if (st == STELE_OK) {
        *ret_code = result.code;
        worker->stored += result.code == 0 ? 1 : 0;
    }
    return st;
}

/* One event, sent until it is stored. */
static stele_status append_one(struct worker *worker, stele_buf *payload, stele_buf *request,
                               stele_buf *reply, stele_err *err) {
    stele_status st = STELE_OK;
    uint32_t code = BUSY_CODE;
    stele_buf_clear(payload);
    stele_buf_clear(request);
    STELE_TRY(stele_bench_event(&worker->events, payload, err));
    STELE_TRY(stele_append_request_put_event(request, stele_view_buf(payload), err));
    while (code == BUSY_CODE && !atomic_load(&worker->run->stop)) {
        struct stele_rpc_result result = {0};
        stele_buf_clear(reply);
        st = stele_rpc_unary(worker->cli.client, STELE_APPEND_PATH, stele_view_buf(request),
                             TIMEOUT_MS, reply, &result, err);
        if (st == STELE_OK) {
            STELE_TRY(read_result(worker, stele_view_buf(reply), &code, err));
        } else if (st != STELE_BUSY) {
            goto cleanup;
        }
        if (code == BUSY_CODE) {
            uint64_t pause_ms = result.retry_after_ms == 0 ? 1 : result.retry_after_ms;
            sleep_until(stele_monotonic_us() +
                        (pause_ms < REPEAT_MS_MAX ? pause_ms : REPEAT_MS_MAX) * 1000u);
            worker->repeated++;
        }
        st = STELE_OK;
    }
cleanup:
    return st;
}

static void finish(struct worker *worker, stele_status st) {
    worker->st = st;
    if (st != STELE_OK) {
        atomic_store(&worker->run->stop, true);
    }
}

static void *append_singles(void *arg) {
    struct worker *worker = arg;
    struct run *run = worker->run;
    double per_s = run->load->events_per_s;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    while (!atomic_load(&run->stop)) {
        uint64_t number = atomic_fetch_add(&run->next_call, 1);
        if (number >= run->n_calls || (per_s <= 0 && stele_monotonic_us() >= run->end_us)) {
            break;
        }
        uint64_t due = per_s > 0 ? due_us(run, number, per_s) : stele_monotonic_us();
        sleep_until(due);
        STELE_TRY(append_one(worker, &payload, &request, &reply, &worker->err));
        count(worker, due, stele_monotonic_us());
    }
cleanup:
    stele_buf_done(&payload);
    stele_buf_done(&request);
    stele_buf_done(&reply);
    finish(worker, st);
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
    worker->stored++;
    count(worker,
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
            sleep_until(due);
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
    STELE_TRY(stele_shipper_open(worker->cli.client, &options, shipped, worker, &shipper, err));
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
        sleep_until(due);
        stele_bench_actor(ranks[number % (sizeof ranks / sizeof ranks[0])], actor);
        STELE_TRY(stele_bench_ask(&worker->cli, run->load->region, actor, QUERY_LIMIT, &asked,
                                  &worker->err));
        worker->hits += asked.events;
        count(worker, due, stele_monotonic_us());
    }
cleanup:
    finish(worker, st);
    return NULL;
}

/* ------------------------------------------------------------------ all of it */
static int compare_stalls(const void *a, const void *b) {
    double x = ((const struct stele_bench_stall *)a)->unix_s;
    double y = ((const struct stele_bench_stall *)b)->unix_s;
    return (x > y) - (x < y);
}

/* Stalls of all workers that overlap are one. */
static stele_status gather_stalls(const struct worker *workers, size_t n,
                                  struct stele_bench_load_figures *ret, stele_err *err) {
    size_t n_all = 0;
    struct stele_bench_stall *all = stele_alloc(n * STELE_BENCH_STALLS_MAX, sizeof *all);
    if (all == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu lists of stalls", n);
    }
    for (size_t i = 0; i < n; i++) {
        for (uint64_t j = 0; j < workers[i].n_stalls && j < STELE_BENCH_STALLS_MAX; j++) {
            all[n_all++] = workers[i].stall[j];
        }
    }
    if (n_all > 0) {
        qsort(all, n_all, sizeof *all, compare_stalls);
    }
    struct stele_bench_stall now = {0, 0};
    for (size_t i = 0; i < n_all; i++) {
        double until_s = now.unix_s + now.ms / 1e3;
        if (ret->n_stalls == 0 || all[i].unix_s > until_s) {
            now = all[i];
            ret->n_stalls++;
        } else if (all[i].unix_s + all[i].ms / 1e3 > until_s) {
            now.ms = (all[i].unix_s - now.unix_s) * 1e3 + all[i].ms;
        }
        if (ret->n_stalls <= STELE_BENCH_STALLS_MAX) {
            ret->stall[ret->n_stalls - 1] = now;
        }
    }
    stele_free(all);
    return STELE_OK;
}

static stele_status gather(const struct worker *workers, size_t n,
                           struct stele_bench_load_figures *ret, stele_err *err) {
    for (size_t i = 0; i < n; i++) {
        if (workers[i].st != STELE_OK) {
            *err = workers[i].err;
            return workers[i].st;
        }
        bool asks = i >= workers[i].run->load->clients;
        stele_bench_histogram_merge(asks ? &ret->query : &ret->append, workers[i].latency);
        ret->stored += workers[i].stored;
        ret->repeated += workers[i].repeated;
        ret->hits += workers[i].hits;
    }
    return gather_stalls(workers, n, ret, err);
}

static stele_status open_workers(struct run *run, struct worker *workers, size_t n,
                                 stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < n && st == STELE_OK; i++) {
        workers[i].run = run;
        workers[i].number = i;
        workers[i].events =
            (struct stele_bench_events){.state = (uint64_t)time(NULL) * 1000003u + i,
                                        .region = run->load->region,
                                        .n_actors = STELE_BENCH_ACTORS,
                                        .clock = run->load->clock};
        workers[i].latency = stele_alloc(1, sizeof *workers[i].latency);
        st = workers[i].latency == NULL
                 ? STELE_FAIL(err, NO_MEMORY, "no memory for %zu histograms", n)
                 : stele_cli_open("bench", run->load->config, &workers[i].cli, err);
        /* A handshake is no part of what is measured. */
        if (st == STELE_OK && !stele_rpc_client_wait(workers[i].cli.client, TIMEOUT_MS)) {
            st = STELE_FAIL(err, CLOSED, "no connection to '%s' within %u s; is steled running?",
                            workers[i].cli.config->server, TIMEOUT_MS / 1000u);
        }
    }
    return st;
}

static double cpu_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
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
    size_t n = load->clients + (load->queries_per_s > 0 ? QUERY_CLIENTS : 0);
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
    double cpu = cpu_s();
    for (; n_threads < n && st == STELE_OK; n_threads += st == STELE_OK ? 1 : 0) {
        void *(*work)(void *) = n_threads >= load->clients ? ask
                                : load->batch == 0         ? append_singles
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
    ret->client_cpu_s = cpu_s() - cpu;
    STELE_TRY(st);
    STELE_TRY(gather(workers, n, ret, err));
cleanup:
    for (size_t i = 0; i < n; i++) {
        stele_cli_close(&workers[i].cli);
        stele_free(workers[i].latency);
    }
    stele_free(workers);
    return st;
}
