/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_command.c: `stele bench ingest|query|proof|export|mixed`: measures the whole path
 * over mutual TLS, and beside it, in the same run, what the parts could do at best on this machine.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench_ceiling.h"
#include "tools/bench_export.h"
#include "tools/bench_file.h"
#include "tools/bench_ingest.h"
#include "tools/bench_load.h"
#include "tools/bench_proof.h"
#include "tools/bench_query.h"
#include "tools/bench_server.h"
#include "tools/cli.h"
#include "tools/flags.h"

static const char usage[] =
    "usage: stele bench ingest|query|proof|export|mixed [--config client.conf] [--events N]\n"
    "                   [--from FILE] [--batch N] [--connections N] [--clients N] [--rate N]\n"
    "                   [--duration SECONDS] [--unary] [--queries N] [--cold N] [--query-rate N]\n"
    "                   [--clock-step DURATION] [--no-index] [--keep] [-o text|json]\n"
    "       stele bench events [--events N] [--clock-step DURATION] --out FILE [--rows FILE]\n"
    "\n"
    "ingest: ships N made-up events (default 300,000) as fast as they are acknowledged.\n"
    "        --rate N sends N events a second for --duration (default 60 s) instead, each at its\n"
    "        own fixed time, and counts latency from that time: an open loop. --unary sends each\n"
    "        in a call of its own, at most 64 (--clients) at a time over 2 connections\n"
    "        (--connections); without --rate an answered call makes room for the next.\n"
    "query:  ships them, then asks for what actors of many, of few and of no events did, and for\n"
    "        an actor, a resource and a type together: --queries times each (default 20), and\n"
    "        --cold times (default 5, 0 for none) of a server that was started again with nothing\n"
    "        in the page cache; as root that of the whole machine is dropped, else of its files.\n"
    "proof:  ships them, then asks for what actors did with proof that it is all, and verifies "
    "it.\n"
    "export: ships them, then takes all of them out: searched, as a complete answer, which is\n"
    "        verified, as JSON lines, as tiles; and fsck reads the folder.\n"
    "mixed:  single appends (--rate, default 1,000 a second) and searches (--query-rate, default 5 "
    "a\n"
    "        second) at fixed times, for --duration.\n"
    "events: writes such events to a file, each behind its length as a varint, for --from; --rows\n"
    "        writes time, type, actor, resource and the event's bytes too, or with -o json the "
    "event\n"
    "        as JSON, as COPY of PostgreSQL reads them.\n"
    "Without --config it starts a server of its own in a temporary folder and removes it.\n"
    "  --from FILE            ships the events of a file, all of them, made a short time ago and\n"
    "                         with the same --clock-step\n"
    "  --clock-step DURATION  the log clock of that server, and the events' own time, begin now "
    "and\n"
    "                         move by so much for each event, 50 years at most: 300,000 events at\n"
    "                         158s live through 18 months\n"
    "  --keep                 leaves that server's folder, and says where it is\n"
    "  --no-index             that server makes no INDEX entries and merges no segments: what the\n"
    "                         completeness index costs is the difference\n"
    "The ceilings in the output are measured in the same run: one thread that only hashes and\n"
    "compresses, plain appends with fdatasync, and the same calls to a server that only answers.\n"
    "\n"
    "Exit codes: 0 done, 2 usage, 3 server unreachable, 5 anything else.\n"
    "\n"
    "examples:\n"
    "  stele bench ingest --events 1000000 --batch 256 --connections 2\n"
    "  stele bench ingest --unary --rate 1000 --duration 30 -o json\n"
    "  stele bench query --events 300000 --clock-step 158s\n";

#define CONNECTIONS_MAX STELE_BENCH_CLIENTS_MAX
#define CONNECTIONS 2u
#define UNARY_CLIENTS 64u
#define NULL_S 2.0 /* long enough to pass what connections begin with */
#define NULL_EVENTS 1000000u
#define RATE_MAX 10000000u /* above what this machine or a larger one takes */
#define DURATION_S_MAX 604800u
#define COLD_MAX 1000u /* each starts the server again */

struct bench {
    const char *what, *region;
    const char *from, *out, *rows; /* files; NULL: none */
    struct stele_bench_file file;
    uint64_t events, batch, queries, cold;
    uint64_t connections, clients;         /* 0: the default of what is measured */
    uint64_t rate, duration_s, query_rate; /* rate 0: as fast as it goes */
    uint32_t clock_step_ms;                /* 0: the real clock */
    struct stele_bench_clock *clock;
    struct stele_bench_null *null;
    bool unary, no_index, keep, json;
};

/* ------------------------------------------------------------------ the command */
static stele_status take_count(const char *name, const char *text, uint64_t max, uint64_t *ret,
                               stele_err *err) {
    stele_status st = stele_cli_number(text, ret, err);
    return st != STELE_OK || (*ret > 0 && *ret <= max)
               ? st
               : STELE_FAIL(err, INVALID, "--%s %s: 1 to %" PRIu64, name, text, max);
}

static bool is_one_of(const char *what, const char *const *words) {
    while (*words != NULL && strcmp(*words, what) != 0) {
        words++;
    }
    return *words != NULL;
}

/* Files, and what needs them. Returns an exit code, or STELE_GO_ON. */
static int judge_files(const struct bench *bench, bool has_config) {
    bool events = strcmp(bench->what, "events") == 0;
    if (events != (bench->out != NULL) || (bench->rows != NULL && !events)) {
        return stele_usage_error("bench", "--out and --rows belong to events, which needs --out");
    }
    if (bench->from != NULL && (events || bench->rate > 0 || bench->unary)) {
        return stele_usage_error("bench", "--from does not go with events, --rate or --unary");
    }
    return has_config && (events || strcmp(bench->what, "export") == 0)
               ? stele_usage_error("bench", "%s works without --config", bench->what)
               : STELE_GO_ON;
}

/* What the flags mean together. Returns an exit code, or STELE_GO_ON. */
static int judge(int n, char **words, bool has_config, struct bench *ret) {
    static const char *const asking[] = {"query", "proof", "export", "events", NULL};
    ret->what = n == 1 ? words[0] : "";
    bool mixed = strcmp(ret->what, "mixed") == 0;
    bool query = is_one_of(ret->what, asking);
    if (!mixed && !query && strcmp(ret->what, "ingest") != 0) {
        return stele_usage_error("bench", "what? ingest, query, proof, export, mixed or events");
    }
    if (query && (ret->rate > 0 || ret->unary)) {
        return stele_usage_error("bench", "--rate and --unary belong to ingest and mixed");
    }
    int code = judge_files(ret, has_config);
    if (code != STELE_GO_ON) {
        return code;
    }
    if (ret->no_index && (has_config || strcmp(ret->what, "ingest") != 0)) {
        return stele_usage_error("bench", "--no-index is for ingest by a server of bench's own");
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
    if (ret->keep && (has_config || strcmp(ret->what, "events") == 0)) {
        return stele_usage_error("bench", "--keep is for a server of bench's own");
    }
    if (ret->clients > 0 && !ret->unary) {
        return stele_usage_error("bench", "--clients is for single appends: with --unary");
    }
    ret->connections = ret->connections == 0 ? CONNECTIONS : ret->connections;
    ret->clients = ret->clients == 0 ? UNARY_CLIENTS : ret->clients;
    if (ret->unary && ret->connections > ret->clients) {
        ret->connections = ret->clients; /* more would have no calls */
    }
    return STELE_GO_ON;
}

/* The flags whose value is a number. Errors: INVALID; NOT_FOUND for another flag. */
static stele_status take_number(int flag, const char *text, struct bench *ret, stele_err *err) {
    const struct {
        int flag;
        const char *name;
        uint64_t max;
        uint64_t *into;
    } numbers[] = {
        {'n', "events", UINT64_C(10000000000), &ret->events},
        {'b', "batch", 1000, &ret->batch},
        {'k', "connections", CONNECTIONS_MAX, &ret->connections},
        {'C', "clients", CONNECTIONS_MAX, &ret->clients},
        {'q', "queries", 1000000, &ret->queries},
        {'x', "cold", COLD_MAX, &ret->cold},
        {'r', "rate", RATE_MAX, &ret->rate},
        {'d', "duration", DURATION_S_MAX, &ret->duration_s},
        {'Q', "query-rate", 1000, &ret->query_rate},
    };
    if (flag == 'x' && strcmp(text, "0") == 0) {
        ret->cold = 0;
        return STELE_OK;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].flag == flag) {
            return take_count(numbers[i].name, text, numbers[i].max, numbers[i].into, err);
        }
    }
    return STELE_NOT_FOUND;
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct bench *ret, const char **config) {
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"events", required_argument, NULL, 'n'},
                                          {"batch", required_argument, NULL, 'b'},
                                          {"connections", required_argument, NULL, 'k'},
                                          {"clients", required_argument, NULL, 'C'},
                                          {"queries", required_argument, NULL, 'q'},
                                          {"cold", required_argument, NULL, 'x'},
                                          {"from", required_argument, NULL, 'f'},
                                          {"out", required_argument, NULL, 'w'},
                                          {"rows", required_argument, NULL, 'R'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"duration", required_argument, NULL, 'd'},
                                          {"query-rate", required_argument, NULL, 'Q'},
                                          {"unary", no_argument, NULL, 'u'},
                                          {"no-index", no_argument, NULL, 'i'},
                                          {"keep", no_argument, NULL, 'K'},
                                          {"clock-step", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    *ret = (struct bench){.what = "",
                          .events = 300000,
                          .batch = 256,
                          .queries = 20,
                          .cold = 5,
                          .duration_s = 60,
                          .query_rate = 5};
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        const char *value = optarg == NULL ? "" : optarg;
        stele_status st = take_number(c, value, ret, &err);
        bool number = st != STELE_NOT_FOUND;
        st = number ? st : STELE_OK;
        if (number) {
            /* taken, or wrong: below */
        } else if (c == 'c') {
            *config = value;
        } else if (c == 'f') {
            ret->from = value;
        } else if (c == 'w') {
            ret->out = value;
        } else if (c == 'R') {
            ret->rows = value;
        } else if (c == 's') {
            st = stele_cli_duration(value, &ret->clock_step_ms, &err);
        } else if (c == 'u') {
            ret->unary = true;
        } else if (c == 'i') {
            ret->no_index = true;
        } else if (c == 'K') {
            ret->keep = true;
        } else if (c == 'o') {
            ret->json = strcmp(value, "json") == 0;
            st = ret->json || strcmp(value, "text") == 0
                     ? STELE_OK
                     : STELE_FAIL(&err, INVALID, "-o %s: text or json", value);
        } else {
            return stele_flag_other("bench", usage, c, argv);
        }
        if (st != STELE_OK) {
            return stele_usage_error("bench", "%s", err.text);
        }
    }
    return judge(argc - optind, argv + optind, *config != NULL, ret);
}

/* What the same clients get from a server that only answers, as fast as they can. */
static stele_status measure_null_calls(const struct stele_bench_load *like,
                                       const struct stele_bench_null *null, double *ret_per_s,
                                       stele_err *err) {
    struct stele_bench_load load = {.region = like->region,
                                    .null = null,
                                    .duration_s = NULL_S,
                                    .clients = like->clients,
                                    .connections = like->connections};
    struct stele_bench_load_figures *figures = stele_alloc(1, sizeof *figures);
    stele_status st = STELE_OK;
    STELE_TRY(figures == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for the figures") : STELE_OK);
    STELE_TRY(stele_bench_load_run(&load, figures, err));
    *ret_per_s = (double)figures->stored / figures->seconds;
cleanup:
    stele_free(figures);
    return st;
}

static stele_status measure_null_streams(const struct bench *bench, double *ret_per_s,
                                         stele_err *err) {
    struct stele_bench_ingest ingest = {.region = bench->region,
                                        .null = bench->null,
                                        .events = NULL_EVENTS,
                                        .batch = bench->batch,
                                        .connections = bench->connections};
    struct stele_bench_ingest_figures figures = {0};
    stele_status st = stele_bench_ingest_run(&ingest, &figures, err);
    if (st == STELE_OK) {
        *ret_per_s = (double)figures.stored / figures.seconds;
    }
    return st;
}

/* Calls of a fixed time, or single ones. */
static stele_status measure_load(const struct bench *bench, const char *config,
                                 const struct stele_bench_server *server, stele_err *err) {
    struct stele_bench_load load = {.config = config,
                                    .region = bench->region,
                                    .events_per_s = (double)bench->rate,
                                    .duration_s = (double)bench->duration_s,
                                    .clients = bench->unary ? bench->clients : bench->connections,
                                    .connections = bench->connections,
                                    .batch = bench->unary ? 0 : bench->batch,
                                    .queries_per_s = (double)bench->query_rate,
                                    .watch_index = bench->clock == NULL && !bench->no_index,
                                    .clock = bench->clock};
    struct stele_bench_load_figures *figures = stele_alloc(1, sizeof *figures);
    struct stele_bench_lag *lag = NULL;
    struct stele_bench_ceiling ceiling = {0};
    struct stele_bench_usage before = {0};
    struct stele_bench_usage used = {0};
    stele_status st = STELE_OK;
    STELE_TRY(figures == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for the figures") : STELE_OK);
    if (server != NULL) {
        STELE_TRY(stele_bench_server_usage(server, &before, err));
    }
    if (load.watch_index) {
        STELE_TRY(stele_bench_lag_start(config, bench->region, &lag, err));
    }
    STELE_TRY(stele_bench_load_run(&load, figures, err));
    if (server != NULL) {
        STELE_TRY(stele_bench_server_usage(server, &used, err));
        used.cpu_s -= before.cpu_s;
    }
    if (lag != NULL) {
        st = stele_bench_lag_end(lag, &figures->index, err);
        lag = NULL;
        STELE_TRY(st);
    }
    STELE_TRY(stele_bench_ceiling_measure(&ceiling, err));
    STELE_TRY(bench->unary ? measure_null_calls(&load, bench->null, &ceiling.null_per_s, err)
                           : measure_null_streams(bench, &ceiling.null_per_s, err));
    stele_bench_load_print(&load, figures, server == NULL ? NULL : &used, &ceiling, bench->json);
cleanup:
    if (lag != NULL) {
        (void)!stele_bench_lag_end(lag, &figures->index, NULL);
    }
    stele_free(figures);
    return st;
}

/* What was shipped, asked for. */
static stele_status measure_asking(const struct bench *bench, const char *config, uint64_t events,
                                   struct stele_bench_server *server, stele_err *err) {
    if (strcmp(bench->what, "proof") == 0) {
        return stele_bench_proofs(config, bench->region, bench->queries, bench->json, err);
    }
    if (strcmp(bench->what, "export") == 0) {
        struct stele_bench_export export = {
            .config = config, .region = bench->region, .events = events, .server = server};
        return stele_bench_exports(&export, bench->json, err);
    }
    struct stele_bench_query query = {.config = config,
                                      .region = bench->region,
                                      .events = events,
                                      .times = bench->queries,
                                      .cold_times = bench->cold,
                                      .server = server};
    return stele_bench_queries(&query, bench->json, err);
}

static stele_status measure(struct bench *bench, const char *config,
                            struct stele_bench_server *server, stele_err *err) {
    struct stele_bench_ingest ingest = {.config = config,
                                        .region = bench->region,
                                        .events = bench->events,
                                        .batch = bench->batch,
                                        .connections = bench->connections,
                                        .clock = bench->clock,
                                        .file = bench->from == NULL ? NULL : &bench->file,
                                        .watch_index = bench->clock == NULL && !bench->no_index &&
                                                       strcmp(bench->what, "ingest") == 0,
                                        .server = server};
    struct stele_bench_ingest_figures figures = {0};
    stele_status st = STELE_OK;
    if (bench->rate > 0 || bench->unary) {
        return measure_load(bench, config, server, err);
    }
    STELE_TRY(stele_bench_ingest_run(&ingest, &figures, err));
    if (strcmp(bench->what, "ingest") != 0) {
        return measure_asking(bench, config, figures.stored, server, err);
    }
    STELE_TRY(stele_bench_ceiling_measure(&figures.ceiling, err));
    STELE_TRY(measure_null_streams(bench, &figures.ceiling.null_per_s, err));
    stele_bench_ingest_print(&ingest, &figures, bench->json);
cleanup:
    return st;
}

static stele_status write_events(const struct bench *bench, stele_err *err) {
    struct stele_bench_write write = {.events = bench->events,
                                      .region = STELE_BENCH_REGION,
                                      .path = bench->out,
                                      .rows_path = bench->rows,
                                      .json = bench->json,
                                      .clock = bench->clock};
    return stele_bench_file_write(&write, err);
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
    STELE_TRY(stele_bench_null_start(&bench.null, &err));
    if (bench.clock_step_ms > 0) {
        STELE_TRY(stele_bench_clock_new(bench.clock_step_ms, &bench.clock, &err));
    }
    if (strcmp(bench.what, "events") == 0) {
        STELE_TRY(write_events(&bench, &err));
        goto cleanup;
    }
    if (bench.from != NULL) {
        STELE_TRY(stele_bench_file_open(bench.from, &bench.file, &err));
        bench.events = bench.file.events;
    }
    if (own) {
        STELE_TRY(stele_bench_server_start(bench.clock, !bench.no_index, &server, &err));
        server.keep = bench.keep;
        config = server.client_conf;
    }
    STELE_TRY(stele_cli_named(stele_client_config_load(config, &client, &err)));
    bench.region = client->regions[0];
    STELE_TRY(measure(&bench, config, own ? &server : NULL, &err));
cleanup:
    stele_client_config_free(client);
    stele_bench_file_close(&bench.file);
    if (own && server.dir[0] != '\0') {
        stele_bench_server_stop(&server);
    }
    stele_bench_null_stop(bench.null);
    stele_bench_clock_free(bench.clock);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("bench", st, &err);
}
