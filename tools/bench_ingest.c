/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_ingest.c: a thread and a connection for each feeder; what the log's clock, the
 * server's processor time and the index did meanwhile.
 */
#include "tools/bench_ingest.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/time.h"
#include "storage/monotonic.h"
#include "tools/bench_events.h"
#include "tools/bench_load.h"
#include "tools/bench_settle.h"
#include "tools/cli.h"
#include "tools/shipper.h"

#define SAMPLES_MAX 1000000u
#define TENTHS_MIN 100000u /* below it a tenth is a few acknowledgements, and tells nothing */

/* Where in the file of events the connections are. */
struct taking {
    pthread_mutex_t lock;
    stele_view rest;
    uint64_t n_taken;
};

struct feeder {
    const struct stele_bench_ingest *bench;
    struct stele_cli cli;
    uint64_t seed, n;
    struct taking *taking; /* of a file */
    stele_view block;      /* what is left of this connection's part of it */
    uint64_t block_at, block_end;
    uint64_t stored, refused;
    uint64_t first_ns, last_ns;  /* log times */
    double begun_s, tenth_s[10]; /* when each tenth of the events was acknowledged */
    unsigned n_tenths;
    uint32_t *latency_us; /* of every batch's first event */
    size_t n_latencies;
    stele_status st;
    stele_err err;
};

static double now_s(void) {
    return (double)stele_monotonic_us() / 1e6;
}

static void shipped(void *ctx, const struct stele_shipped *event) {
    struct feeder *feeder = ctx;
    if (event->code != 0) {
        feeder->refused++;
        return;
    }
    if (feeder->stored % feeder->bench->batch == 0 && feeder->n_latencies < SAMPLES_MAX) {
        feeder->latency_us[feeder->n_latencies++] = (uint32_t)(event->decided_us - event->sent_us);
    }
    uint64_t ns = event->log_time_unix_nano;
    feeder->first_ns = feeder->stored == 0 || ns < feeder->first_ns ? ns : feeder->first_ns;
    feeder->last_ns = ns > feeder->last_ns ? ns : feeder->last_ns;
    feeder->stored++;
    while (feeder->n_tenths < 10 && feeder->stored * 10 >= feeder->n * (feeder->n_tenths + 1)) {
        feeder->tenth_s[feeder->n_tenths++] = now_s();
    }
}

/* The next block of the file is this connection's. Its events are found by their lengths, under the
 * lock: a look at each, and a call of the lock a batch. */
static stele_status take_block(struct feeder *feeder, uint64_t n_left, stele_err *err) {
    struct taking *taking = feeder->taking;
    uint64_t n = n_left < feeder->bench->batch ? n_left : feeder->bench->batch;
    stele_view payload;
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&taking->lock);
    feeder->block = taking->rest;
    feeder->block_at = taking->n_taken;
    for (uint64_t i = 0; st == STELE_OK && i < n; i++) {
        st = stele_bench_file_next(&taking->rest, &payload, err);
        taking->n_taken += st == STELE_OK;
    }
    feeder->block_end = taking->n_taken;
    (void)pthread_mutex_unlock(&taking->lock);
    return st == STELE_END ? STELE_FAIL(err, BUG, "a file of events ended early") : st;
}

/* The connection's next event of a file. Batches are shipped about in the order of the file, so
 * that a clock that steps is never behind an event, and far ahead of none. */
static stele_status from_file(struct feeder *feeder, uint64_t n_left, stele_view *ret,
                              stele_err *err) {
    stele_status st = STELE_OK;
    if (feeder->block_at == feeder->block_end) {
        STELE_TRY(take_block(feeder, n_left, err));
    }
    STELE_TRY(stele_bench_file_next(&feeder->block, ret, err));
    feeder->block_at++;
    if (feeder->bench->clock != NULL) {
        stele_bench_clock_reach(feeder->bench->clock, feeder->block_at);
    }
cleanup:
    return st;
}

static void *feed(void *arg) {
    struct feeder *feeder = arg;
    struct stele_shipper *shipper = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err *err = &feeder->err;
    stele_status st = STELE_OK;
    struct stele_bench_events events = {.state = feeder->seed,
                                        .region = feeder->bench->region,
                                        .n_actors = stele_bench_actors(feeder->bench->events),
                                        .clock = feeder->bench->clock};
    /* What waits in the window is older than the log time it gets: with a stepping clock by
     * months, unless the window is small. */
    uint32_t batch = (uint32_t)feeder->bench->batch;
    struct stele_shipper_options options = {.batch_events = batch,
                                            .window = feeder->bench->clock == NULL ? 0 : 4 * batch,
                                            .timeout_ms = 30000};
    feeder->begun_s = now_s();
    STELE_TRY(stele_shipper_open(feeder->cli.client, &options, shipped, feeder, &shipper, err));
    for (uint64_t i = 0; i < feeder->n; i++) {
        stele_view event;
        if (feeder->bench->file != NULL) {
            STELE_TRY(from_file(feeder, feeder->n - i, &event, err));
        } else {
            stele_buf_clear(&payload);
            STELE_TRY(stele_bench_event(&events, &payload, err));
            event = stele_view_buf(&payload);
        }
        STELE_TRY(stele_shipper_put(shipper, i, event, err));
    }
    STELE_TRY(stele_shipper_finish(shipper, err));
cleanup:
    stele_shipper_close(shipper);
    stele_buf_done(&payload);
    feeder->st = st;
    return NULL;
}

static int compare_u32(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* p50, p90, p99, p99.9 in milliseconds. */
static void percentiles(uint32_t *us, size_t n, double ret[4]) {
    static const double at[4] = {0.5, 0.9, 0.99, 0.999};
    if (n > 0) {
        qsort(us, n, sizeof *us, compare_u32);
    }
    for (int i = 0; i < 4; i++) {
        ret[i] = n == 0 ? 0 : (double)us[(size_t)((double)(n - 1) * at[i])] / 1000.0;
    }
}

static stele_status gather(struct feeder *feeders, uint64_t n,
                           struct stele_bench_ingest_figures *figures, stele_err *err) {
    stele_status st = STELE_OK;
    size_t total = 0;
    uint32_t *all = stele_alloc(SAMPLES_MAX, sizeof *all);
    if (all == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the samples");
    }
    for (uint64_t i = 0; i < n; i++) {
        if (feeders[i].st != STELE_OK) {
            *err = feeders[i].err;
            STELE_TRY(feeders[i].st);
        }
        if (feeders[i].refused > 0) {
            STELE_TRY(STELE_FAIL(
                err, INVALID,
                "%" PRIu64
                " events were refused; does the region of client.conf take tenant 'acme'?",
                feeders[i].refused));
        }
        uint64_t first_ns = feeders[i].first_ns;
        figures->first_ns = i == 0 || first_ns < figures->first_ns ? first_ns : figures->first_ns;
        figures->last_ns =
            feeders[i].last_ns > figures->last_ns ? feeders[i].last_ns : figures->last_ns;
        figures->stored += feeders[i].stored;
        double tenth = (double)feeders[i].n / 10;
        figures->first_tenth_s += tenth / (feeders[i].tenth_s[0] - feeders[i].begun_s);
        figures->last_tenth_s += tenth / (feeders[i].tenth_s[9] - feeders[i].tenth_s[8]);
        for (size_t j = 0; j < feeders[i].n_latencies && total < SAMPLES_MAX; j++) {
            all[total++] = feeders[i].latency_us[j];
        }
    }
    percentiles(all, total, figures->latency_ms);
cleanup:
    stele_free(all);
    return st;
}

static stele_status ship_all(const struct stele_bench_ingest *bench,
                             struct stele_bench_ingest_figures *figures, stele_err *err) {
    struct feeder *feeders = stele_alloc(bench->connections, sizeof *feeders);
    pthread_t thread[STELE_BENCH_CLIENTS_MAX];
    struct taking taking = {.lock = PTHREAD_MUTEX_INITIALIZER};
    stele_status st = STELE_OK;
    uint64_t n_threads = 0;
    if (feeders == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %" PRIu64 " connections",
                          bench->connections);
    }
    if (bench->file != NULL) {
        taking.rest = bench->file->bytes;
    }
    for (uint64_t i = 0; i < bench->connections; i++) {
        feeders[i] = (struct feeder){.bench = bench,
                                     .taking = &taking,
                                     .seed = (uint64_t)time(NULL) * 1000003u + i,
                                     .n = bench->events / bench->connections,
                                     .latency_us = stele_alloc(SAMPLES_MAX, sizeof(uint32_t))};
        STELE_TRY(feeders[i].latency_us == NULL
                      ? STELE_FAIL(err, NO_MEMORY, "no memory for the samples")
                      : STELE_OK);
        STELE_TRY(bench->null != NULL
                      ? stele_bench_null_connect(bench->null, &feeders[i].cli.client, err)
                      : stele_cli_open("bench", bench->config, &feeders[i].cli, err));
    }
    double start = now_s();
    double cpu = stele_bench_own_cpu_s();
    for (; n_threads < bench->connections; n_threads++) {
        int failed = pthread_create(&thread[n_threads], NULL, feed, &feeders[n_threads]);
        if (failed != 0) {
            st = STELE_FAIL_ERRNO(err, failed, "cannot start a thread");
            break;
        }
    }
    for (uint64_t i = 0; i < n_threads; i++) {
        (void)pthread_join(thread[i], NULL);
    }
    figures->seconds = now_s() - start;
    figures->client_cpu_s = stele_bench_own_cpu_s() - cpu;
    STELE_TRY(st);
    STELE_TRY(gather(feeders, bench->connections, figures, err));
cleanup:
    for (uint64_t i = 0; i < bench->connections; i++) {
        stele_cli_close(&feeders[i].cli);
        stele_free(feeders[i].latency_us);
    }
    stele_free(feeders);
    return st;
}

stele_status stele_bench_ingest_run(const struct stele_bench_ingest *bench,
                                    struct stele_bench_ingest_figures *ret, stele_err *err) {
    struct stele_bench_usage before = {0};
    struct stele_bench_cpu threads = {.n = 0};
    struct stele_bench_lag *lag = NULL;
    stele_status st = STELE_OK;
    if (bench->server != NULL) {
        STELE_TRY(stele_bench_server_usage(bench->server, &before, err));
        STELE_TRY(stele_bench_cpu_read(bench->server->pid, &threads, err));
    }
    if (bench->watch_index) {
        STELE_TRY(stele_bench_lag_start(bench->config, bench->region, &lag, err));
    }
    STELE_TRY(ship_all(bench, ret, err));
    if (bench->server != NULL) {
        STELE_TRY(stele_bench_server_usage(bench->server, &ret->server, err));
        ret->server.cpu_s -= before.cpu_s;
        STELE_TRY(stele_bench_cpu_read(bench->server->pid, &ret->threads, err));
        stele_bench_cpu_since(&threads, ret->server.cpu_s, &ret->threads);
    }
cleanup:
    if (lag != NULL) {
        stele_err lag_err;
        stele_status lag_st = stele_bench_lag_end(lag, &ret->index, &lag_err);
        if (st == STELE_OK && lag_st != STELE_OK) {
            *err = lag_err;
            st = lag_st;
        }
    }
    if (st == STELE_OK &&
        bench->server != NULL) { /* what still merges would count twice, or not yet */
        st = stele_bench_settle(bench->server, err);
        stele_bench_kept_measure(bench->server->dir, &ret->kept);
    }
    return st;
}

static void put(json_t *out, const char *name, double value) {
    (void)json_object_set_new(out, name, json_real(value));
}

static void print_json(const struct stele_bench_ingest *bench,
                       const struct stele_bench_ingest_figures *f, const char *first,
                       const char *last) {
    double n = (double)f->stored;
    double rate = n / f->seconds;
    json_t *out = json_object();
    put(out, "events", n);
    put(out, "seconds", f->seconds);
    put(out, "events_per_s", rate);
    (void)json_object_set_new(out, "first_log_time", json_string(first));
    (void)json_object_set_new(out, "last_log_time", json_string(last));
    put(out, "first_tenth_events_per_s", f->first_tenth_s);
    put(out, "last_tenth_events_per_s", f->last_tenth_s);
    put(out, "batch_p50_ms", f->latency_ms[0]);
    put(out, "batch_p90_ms", f->latency_ms[1]);
    put(out, "batch_p99_ms", f->latency_ms[2]);
    put(out, "batch_p999_ms", f->latency_ms[3]);
    put(out, "client_cpu_us_per_event", f->client_cpu_s * 1e6 / n);
    if (bench->server != NULL) {
        put(out, "server_cpu_us_per_event", f->server.cpu_s * 1e6 / n);
        stele_bench_cpu_json(&f->threads, n, out);
        put(out, "server_rss_mib", f->server.rss_mib);
        put(out, "written_bytes_per_event", f->server.written_mib * 1048576.0 / n);
        put(out, "stored_bytes_per_event", f->server.stored_mib * 1048576.0 / n);
    }
    stele_bench_kept_json(&f->kept, out);
    if (bench->watch_index) {
        stele_bench_lag_json(&f->index, out);
    }
    put(out, "ceiling_hash_compress_events_per_s", f->ceiling.hash_compress_per_s);
    put(out, "ceiling_fdatasync_ms", f->ceiling.fdatasync_ms);
    put(out, "ceiling_null_events_per_s", f->ceiling.null_per_s);
    put(out, "of_ceiling_null", rate / f->ceiling.null_per_s);
    put(out, "ratio_to_hash_compress", rate / f->ceiling.hash_compress_per_s);
    (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(out);
}

void stele_bench_ingest_print(const struct stele_bench_ingest *bench,
                              const struct stele_bench_ingest_figures *f, bool json) {
    double rate = (double)f->stored / f->seconds;
    char first[STELE_TIME_TEXT_BYTES];
    char last[STELE_TIME_TEXT_BYTES];
    stele_time_print(f->first_ns, first);
    stele_time_print(f->last_ns, last);
    double n = (double)f->stored;
    if (json) {
        print_json(bench, f, first, last);
        return;
    }
    (void)printf("events            %.0f in %.2f s, batches of %" PRIu64 ", %" PRIu64
                 " connections, mutual TLS, every ack synced\n",
                 n, f->seconds, bench->batch, bench->connections);
    (void)printf("rate              %.0f events/s", rate);
    if (f->stored >= TENTHS_MIN) {
        (void)printf("; the last tenth %.2f of the first", f->last_tenth_s / f->first_tenth_s);
    }
    (void)printf("\n");
    (void)printf("log time          %.10s to %.10s\n", first, last);
    (void)printf("batch latency     p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f ms (closed loop: "
                 "includes waiting in the window)\n",
                 f->latency_ms[0], f->latency_ms[1], f->latency_ms[2], f->latency_ms[3]);
    (void)printf("CPU               client %.2f us an event", f->client_cpu_s * 1e6 / n);
    if (bench->server != NULL) {
        (void)printf(", server %.2f us an event, by its threads:\n                  ",
                     f->server.cpu_s * 1e6 / n);
        stele_bench_cpu_print(&f->threads, n);
        (void)printf("memory            server %.0f MiB at most\n", f->server.rss_mib);
        (void)printf("disk              %.0f bytes written, %.0f bytes stored an event\n",
                     f->server.written_mib * 1048576.0 / n, f->server.stored_mib * 1048576.0 / n);
    } else {
        (void)printf("\n");
    }
    stele_bench_kept_print(&f->kept);
    if (bench->watch_index) {
        stele_bench_lag_print(&f->index);
    }
    (void)printf("ceiling           one thread that only hashes and compresses: %.0f events/s; "
                 "this run: %.2f of it\n",
                 f->ceiling.hash_compress_per_s, rate / f->ceiling.hash_compress_per_s);
    (void)printf("ceiling           4 KiB append + fdatasync: %.2f ms\n", f->ceiling.fdatasync_ms);
    (void)printf("ceiling           the same streams to a server that only acknowledges: %.0f "
                 "events/s; this run: %.2f of it\n",
                 f->ceiling.null_per_s, rate / f->ceiling.null_per_s);
}
