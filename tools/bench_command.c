/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_command.c: `stele bench ingest|query|mixed`: measures the whole path over mutual TLS,
 * and beside it, in the same run, what the parts could do at best on this machine.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/time.h"
#include "tools/bench_ceiling.h"
#include "tools/bench_events.h"
#include "tools/bench_load.h"
#include "tools/bench_proof.h"
#include "tools/bench_query.h"
#include "tools/bench_server.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/shipper.h"

static const char usage[] =
    "usage: stele bench ingest|query|proof|mixed [--config client.conf] [--events N] [--batch N]\n"
    "                   [--connections N] [--rate N] [--duration SECONDS] [--unary] [--queries N]\n"
    "                   [--query-rate N] [--clock-step DURATION] [-o text|json]\n"
    "\n"
    "ingest: ships N made-up events (default 300,000) as fast as they are acknowledged.\n"
    "        --rate N sends N events a second for --duration (default 60 s) instead, each at its\n"
    "        own fixed time, and counts latency from that time: an open loop. --unary sends each "
    "in\n"
    "        a call of its own, from 64 clients (--connections); without --rate each client sends\n"
    "        when it is answered.\n"
    "query:  ships them, then asks for what single actors did, busy and rare ones, --queries "
    "times\n"
    "        each.\n"
    "proof:  ships them, then asks for the same with proof that it is all, and verifies it.\n"
    "mixed:  single appends (--rate, default 1,000 a second) and searches (--query-rate, default 5 "
    "a\n"
    "        second) at fixed times, for --duration.\n"
    "Without --config it starts a server of its own in a temporary folder and removes it.\n"
    "  --clock-step DURATION  the log clock of that server, and the events' own time, begin now "
    "and\n"
    "                         move by so much for each event, 50 years at most: 300,000 events at\n"
    "                         158s live through 18 months\n"
    "The ceilings in the output are measured in the same run: one thread that only hashes and\n"
    "compresses, and plain appends with fdatasync.\n"
    "\n"
    "Exit codes: 0 done, 2 usage, 3 server unreachable, 5 anything else.\n"
    "\n"
    "examples:\n"
    "  stele bench ingest --events 1000000 --batch 256 --connections 2\n"
    "  stele bench ingest --unary --rate 1000 --duration 30 -o json\n"
    "  stele bench query --events 300000 --clock-step 158s\n";

#define CONNECTIONS_MAX STELE_BENCH_CLIENTS_MAX
#define UNARY_CLIENTS 64u
#define RATE_MAX 10000000u /* above what this machine or a larger one takes */
#define DURATION_S_MAX 604800u
#define SAMPLES_MAX 1000000u

struct bench {
    const char *what, *region;
    uint64_t events, batch, connections,
        queries;                           /* connections 0: the default of what is measured */
    uint64_t rate, duration_s, query_rate; /* rate 0: as fast as it goes */
    uint32_t clock_step_ms;                /* 0: the real clock */
    struct stele_bench_clock *clock;
    bool unary, json;
};

struct feeder {
    const struct bench *bench;
    struct stele_cli cli;
    uint64_t seed, n;
    uint64_t stored, refused;
    uint64_t first_ns, last_ns; /* log times */
    uint32_t *latency_us;       /* of every batch's first event */
    size_t n_latencies;
    stele_status st;
    stele_err err;
};

struct figures {
    double seconds, client_cpu_s;
    struct stele_bench_usage server;
    bool has_server;
    uint64_t stored;
    uint64_t first_ns, last_ns; /* log times */
    double latency_ms[4];       /* p50, p90, p99, p99.9 */
    struct stele_bench_ceiling ceiling;
};

static double now_s(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
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
}

static void *feed(void *arg) {
    struct feeder *feeder = arg;
    struct stele_shipper *shipper = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err *err = &feeder->err;
    stele_status st = STELE_OK;
    struct stele_bench_events events = {.state = feeder->seed,
                                        .region = feeder->bench->region,
                                        .n_actors = STELE_BENCH_ACTORS,
                                        .clock = feeder->bench->clock};
    /* What waits in the window is older than the log time it gets: with a stepping clock by
     * months, unless the window is small. */
    uint32_t batch = (uint32_t)feeder->bench->batch;
    struct stele_shipper_options options = {.batch_events = batch,
                                            .window = feeder->bench->clock == NULL ? 0 : 4 * batch,
                                            .timeout_ms = 30000};
    STELE_TRY(stele_shipper_open(feeder->cli.client, &options, shipped, feeder, &shipper, err));
    for (uint64_t i = 0; i < feeder->n; i++) {
        stele_buf_clear(&payload);
        STELE_TRY(stele_bench_event(&events, &payload, err));
        STELE_TRY(stele_shipper_put(shipper, i, stele_view_buf(&payload), err));
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

static stele_status gather(struct feeder *feeders, uint64_t n, struct figures *figures,
                           stele_err *err) {
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
        for (size_t j = 0; j < feeders[i].n_latencies && total < SAMPLES_MAX; j++) {
            all[total++] = feeders[i].latency_us[j];
        }
    }
    percentiles(all, total, figures->latency_ms);
cleanup:
    stele_free(all);
    return st;
}

static stele_status ship_all(const struct bench *bench, const char *config, struct figures *figures,
                             stele_err *err) {
    struct feeder *feeders = stele_alloc(bench->connections, sizeof *feeders);
    pthread_t thread[CONNECTIONS_MAX];
    stele_status st = STELE_OK;
    uint64_t n_threads = 0;
    if (feeders == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %" PRIu64 " connections",
                          bench->connections);
    }
    for (uint64_t i = 0; i < bench->connections; i++) {
        feeders[i] = (struct feeder){.bench = bench,
                                     .seed = (uint64_t)time(NULL) * 1000003u + i,
                                     .n = bench->events / bench->connections,
                                     .latency_us = stele_alloc(SAMPLES_MAX, sizeof(uint32_t))};
        STELE_TRY(feeders[i].latency_us == NULL
                      ? STELE_FAIL(err, NO_MEMORY, "no memory for the samples")
                      : STELE_OK);
        STELE_TRY(stele_cli_open("bench", config, &feeders[i].cli, err));
    }
    double start = now_s(CLOCK_MONOTONIC);
    double cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
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
    figures->seconds = now_s(CLOCK_MONOTONIC) - start;
    figures->client_cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
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

static void put(json_t *out, const char *name, double value) {
    (void)json_object_set_new(out, name, json_real(value));
}

static void print_ingest(const struct bench *bench, const struct figures *f) {
    double rate = (double)f->stored / f->seconds;
    char first[STELE_TIME_TEXT_BYTES];
    char last[STELE_TIME_TEXT_BYTES];
    stele_time_print(f->first_ns, first);
    stele_time_print(f->last_ns, last);
    double n = (double)f->stored;
    if (bench->json) {
        json_t *out = json_object();
        put(out, "events", n);
        put(out, "seconds", f->seconds);
        put(out, "events_per_s", rate);
        (void)json_object_set_new(out, "first_log_time", json_string(first));
        (void)json_object_set_new(out, "last_log_time", json_string(last));
        put(out, "batch_p50_ms", f->latency_ms[0]);
        put(out, "batch_p90_ms", f->latency_ms[1]);
        put(out, "batch_p99_ms", f->latency_ms[2]);
        put(out, "batch_p999_ms", f->latency_ms[3]);
        put(out, "client_cpu_us_per_event", f->client_cpu_s * 1e6 / n);
        if (f->has_server) {
            put(out, "server_cpu_us_per_event", f->server.cpu_s * 1e6 / n);
            put(out, "server_rss_mib", f->server.rss_mib);
            put(out, "written_bytes_per_event", f->server.written_mib * 1048576.0 / n);
            put(out, "stored_bytes_per_event", f->server.stored_mib * 1048576.0 / n);
        }
        put(out, "ceiling_hash_compress_events_per_s", f->ceiling.hash_compress_per_s);
        put(out, "ceiling_fdatasync_ms", f->ceiling.fdatasync_ms);
        put(out, "ratio_to_hash_compress", rate / f->ceiling.hash_compress_per_s);
        (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
        json_decref(out);
        return;
    }
    (void)printf("events            %.0f in %.2f s, batches of %" PRIu64 ", %" PRIu64
                 " connections, mutual TLS, every ack synced\n",
                 n, f->seconds, bench->batch, bench->connections);
    (void)printf("rate              %.0f events/s\n", rate);
    (void)printf("log time          %.10s to %.10s\n", first, last);
    (void)printf("batch latency     p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f ms (closed loop: "
                 "includes waiting in the window)\n",
                 f->latency_ms[0], f->latency_ms[1], f->latency_ms[2], f->latency_ms[3]);
    (void)printf("CPU               client %.2f us an event", f->client_cpu_s * 1e6 / n);
    if (f->has_server) {
        (void)printf(", server %.2f us an event\n", f->server.cpu_s * 1e6 / n);
        (void)printf("memory            server %.0f MiB at most\n", f->server.rss_mib);
        (void)printf("disk              %.0f bytes written, %.0f bytes stored an event\n",
                     f->server.written_mib * 1048576.0 / n, f->server.stored_mib * 1048576.0 / n);
    } else {
        (void)printf("\n");
    }
    (void)printf("ceiling           one thread that only hashes and compresses: %.0f events/s; "
                 "this run: %.2f of it\n",
                 f->ceiling.hash_compress_per_s, rate / f->ceiling.hash_compress_per_s);
    (void)printf("ceiling           4 KiB append + fdatasync: %.2f ms\n", f->ceiling.fdatasync_ms);
}

/* ------------------------------------------------------------------ the command */
static stele_status take_count(const char *name, const char *text, uint64_t max, uint64_t *ret,
                               stele_err *err) {
    stele_status st = stele_cli_number(text, ret, err);
    return st != STELE_OK || (*ret > 0 && *ret <= max)
               ? st
               : STELE_FAIL(err, INVALID, "--%s %s: 1 to %" PRIu64, name, text, max);
}

/* What the flags mean together. Returns an exit code, or STELE_GO_ON. */
static int judge(int n, char **words, bool has_config, struct bench *ret) {
    ret->what = n == 1 ? words[0] : "";
    bool mixed = strcmp(ret->what, "mixed") == 0;
    bool query = strcmp(ret->what, "query") == 0 || strcmp(ret->what, "proof") == 0;
    if (!mixed && !query && strcmp(ret->what, "ingest") != 0) {
        return stele_usage_error("bench", "what? ingest, query, proof or mixed");
    }
    if (query && (ret->rate > 0 || ret->unary)) {
        return stele_usage_error("bench", "--rate and --unary belong to ingest and mixed");
    }
    if (has_config && ret->clock_step_ms > 0) {
        return stele_usage_error("bench", "--clock-step is for a server of bench's own: steled has "
                                          "the real clock. Leave out --config");
    }
    if (mixed) {
        ret->unary = true;
        ret->rate = ret->rate == 0 ? 1000 : ret->rate;
    } else {
        ret->query_rate = 0;
    }
    if (ret->connections == 0) {
        ret->connections = ret->unary ? UNARY_CLIENTS : 2;
    }
    return STELE_GO_ON;
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct bench *ret, const char **config) {
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"events", required_argument, NULL, 'n'},
                                          {"batch", required_argument, NULL, 'b'},
                                          {"connections", required_argument, NULL, 'k'},
                                          {"queries", required_argument, NULL, 'q'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"duration", required_argument, NULL, 'd'},
                                          {"query-rate", required_argument, NULL, 'Q'},
                                          {"unary", no_argument, NULL, 'u'},
                                          {"clock-step", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    *ret = (struct bench){.what = "",
                          .events = 300000,
                          .batch = 256,
                          .queries = 20,
                          .duration_s = 60,
                          .query_rate = 5};
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        stele_status st = STELE_OK;
        if (c == 'c') {
            *config = optarg;
        } else if (c == 'n') {
            st = take_count("events", optarg, UINT64_C(10000000000), &ret->events, &err);
        } else if (c == 'b') {
            st = take_count("batch", optarg, 1000, &ret->batch, &err);
        } else if (c == 'k') {
            st = take_count("connections", optarg, CONNECTIONS_MAX, &ret->connections, &err);
        } else if (c == 'q') {
            st = take_count("queries", optarg, 1000000, &ret->queries, &err);
        } else if (c == 'r') {
            st = take_count("rate", optarg, RATE_MAX, &ret->rate, &err);
        } else if (c == 'd') {
            st = take_count("duration", optarg, DURATION_S_MAX, &ret->duration_s, &err);
        } else if (c == 'Q') {
            st = take_count("query-rate", optarg, 1000, &ret->query_rate, &err);
        } else if (c == 's') {
            st = stele_cli_duration(optarg, &ret->clock_step_ms, &err);
        } else if (c == 'u') {
            ret->unary = true;
        } else if (c == 'o') {
            ret->json = strcmp(optarg, "json") == 0;
            st = ret->json || strcmp(optarg, "text") == 0
                     ? STELE_OK
                     : STELE_FAIL(&err, INVALID, "-o %s: text or json", optarg);
        } else {
            return stele_flag_other("bench", usage, c, argv);
        }
        if (st != STELE_OK) {
            return stele_usage_error("bench", "%s", err.text);
        }
    }
    return judge(argc - optind, argv + optind, *config != NULL, ret);
}

/* Calls of a fixed time, or single ones. */
static stele_status measure_load(const struct bench *bench, const char *config,
                                 const struct stele_bench_server *server, stele_err *err) {
    struct stele_bench_load load = {.config = config,
                                    .region = bench->region,
                                    .events_per_s = (double)bench->rate,
                                    .duration_s = (double)bench->duration_s,
                                    .clients = bench->connections,
                                    .batch = bench->unary ? 0 : bench->batch,
                                    .queries_per_s = (double)bench->query_rate,
                                    .clock = bench->clock};
    struct stele_bench_load_figures *figures = stele_alloc(1, sizeof *figures);
    struct stele_bench_ceiling ceiling = {0};
    struct stele_bench_usage before = {0};
    struct stele_bench_usage used = {0};
    stele_status st = STELE_OK;
    STELE_TRY(figures == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for the figures") : STELE_OK);
    if (server != NULL) {
        STELE_TRY(stele_bench_server_usage(server, &before, err));
    }
    STELE_TRY(stele_bench_load_run(&load, figures, err));
    if (server != NULL) {
        STELE_TRY(stele_bench_server_usage(server, &used, err));
        used.cpu_s -= before.cpu_s;
    }
    STELE_TRY(stele_bench_ceiling_measure(&ceiling, err));
    stele_bench_load_print(&load, figures, server == NULL ? NULL : &used, &ceiling, bench->json);
cleanup:
    stele_free(figures);
    return st;
}

static stele_status measure(struct bench *bench, const char *config,
                            const struct stele_bench_server *server, stele_err *err) {
    struct figures figures = {0};
    struct stele_bench_usage before = {0};
    stele_status st = STELE_OK;
    if (bench->rate > 0 || bench->unary) {
        return measure_load(bench, config, server, err);
    }
    if (server != NULL) {
        STELE_TRY(stele_bench_server_usage(server, &before, err));
    }
    STELE_TRY(ship_all(bench, config, &figures, err));
    if (server != NULL) {
        STELE_TRY(stele_bench_server_usage(server, &figures.server, err));
        figures.server.cpu_s -= before.cpu_s;
        figures.has_server = true;
    }
    if (strcmp(bench->what, "query") == 0) {
        return stele_bench_queries(config, bench->region, bench->queries, bench->json, err);
    }
    if (strcmp(bench->what, "proof") == 0) {
        return stele_bench_proofs(config, bench->region, bench->queries, bench->json, err);
    }
    STELE_TRY(stele_bench_ceiling_measure(&figures.ceiling, err));
    print_ingest(bench, &figures);
cleanup:
    return st;
}

int stele_bench_command(const char *config, int argc, char **argv) {
    struct bench bench;
    struct stele_bench_server server = {.pid = 0};
    struct stele_client_config *client = NULL;
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse(argc, argv, &bench, &config);
    if (code != STELE_GO_ON) {
        return code;
    }
    bool own = config == NULL;
    if (bench.clock_step_ms > 0) {
        STELE_TRY(stele_bench_clock_new(bench.clock_step_ms, &bench.clock, &err));
    }
    if (own) {
        STELE_TRY(stele_bench_server_start(bench.clock, &server, &err));
        config = server.client_conf;
    }
    STELE_TRY(stele_cli_named(stele_client_config_load(config, &client, &err)));
    bench.region = client->regions[0];
    STELE_TRY(measure(&bench, config, own ? &server : NULL, &err));
cleanup:
    stele_client_config_free(client);
    if (own && server.pid > 0) {
        stele_bench_server_stop(&server);
    }
    stele_bench_clock_free(bench.clock);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("bench", st, &err);
}
