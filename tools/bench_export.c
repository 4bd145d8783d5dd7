/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_export.c: what people run is measured as they run it: the commands of stele, as
 * processes of their own. Only what has no command without printing is asked for here: events
 * counted, and a proof file received but not checked.
 */
#include "tools/bench_export.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/monotonic.h"
#include "tools/bench_query.h"
#include "tools/bench_settle.h"
#include "tools/receive_proof.h"
#include "tools/save.h"

#define TIMEOUT_MS 600000u
#define PATH_BYTES (STELE_BENCH_PATH_BYTES + 32)

struct took {
    double seconds, client_cpu_s, server_cpu_s;
    uint64_t events, bytes; /* bytes 0: not a file */
};

enum { SEARCH, ANSWER, VERIFY, JSONL, TILES, FSCK, N_WAYS };

static const struct {
    const char *name, *what;
} ways[N_WAYS] = {
    [SEARCH] = {"search", "events at a counting client"},
    [ANSWER] = {"answer", "complete answer, received into a file"},
    [VERIFY] = {"verify", "that file verified (stele verify)"},
    [JSONL] = {"jsonl", "events as JSON lines (stele query -o jsonl)"},
    [TILES] = {"tiles", "tile export (stele tiles)"},
    [FSCK] = {"fsck", "the folder re-read and checked (stele fsck)"},
};

struct run {
    const struct stele_bench_export *export;
    struct took took[N_WAYS];
    char log[64], answer[PATH_BYTES], output[PATH_BYTES];
    /* of what is under way */
    double start_s, start_cpu_s, start_server_s;
};

static stele_status begin(struct run *run, stele_err *err) {
    struct stele_bench_usage used = {0};
    stele_status st = run->export->server->pid == 0
                          ? STELE_OK
                          : stele_bench_server_usage(run->export->server, &used, err);
    run->start_server_s = used.cpu_s;
    run->start_cpu_s = stele_bench_own_cpu_s();
    run->start_s = (double)stele_monotonic_us() / 1e6;
    return st;
}

/* The caller has set the events, and client_cpu_s of a command that was run; 0: this process was
 * the client. */
static stele_status end(const struct run *run, struct took *took, stele_err *err) {
    struct stele_bench_usage used = {.cpu_s = run->start_server_s};
    took->seconds = (double)stele_monotonic_us() / 1e6 - run->start_s;
    took->client_cpu_s =
        took->client_cpu_s > 0 ? took->client_cpu_s : stele_bench_own_cpu_s() - run->start_cpu_s;
    stele_status st = run->export->server->pid == 0
                          ? STELE_OK
                          : stele_bench_server_usage(run->export->server, &used, err);
    took->server_cpu_s = used.cpu_s - run->start_server_s;
    return st;
}

/* Every event is an access of that tenant. */
static void set_question(const struct run *run, struct stele_search_request *request) {
    *request = (struct stele_search_request){.region = stele_view_str(run->export->region)};
    request->filter.tenant = stele_view_str("acme");
    request->filter.event_type = 3;
}

static stele_status search_all(struct run *run, struct stele_cli *cli,
                               struct stele_search_request *request, stele_err *err) {
    struct stele_bench_asked asked;
    stele_status st = STELE_OK;
    set_question(run, request);
    STELE_TRY(begin(run, err));
    STELE_TRY(stele_bench_search(cli, request, &asked, err));
    run->took[SEARCH].events = asked.events;
    STELE_TRY(end(run, &run->took[SEARCH], err));
    memcpy(run->log, asked.log, sizeof run->log);
cleanup:
    return st;
}

static stele_status take(void *ctx, stele_view bytes, stele_err *err) {
    return stele_save_write(ctx, bytes, err);
}

static stele_status receive_answer(struct run *run, struct stele_cli *cli,
                                   struct stele_search_request *request, stele_err *err) {
    struct stele_save save = {.out = NULL};
    struct stat info = {.st_size = 0};
    stele_status st = STELE_OK;
    set_question(run, request);
    request->prove = true;
    STELE_TRY(stele_save_open(run->answer, &save, err));
    STELE_TRY(begin(run, err));
    STELE_TRY(stele_receive_proof(cli->client, request, TIMEOUT_MS, take, &save, err));
    run->took[ANSWER].events = run->took[SEARCH].events;
    STELE_TRY(end(run, &run->took[ANSWER], err));
    STELE_TRY(stele_save_commit(&save, err));
    if (stat(run->answer, &info) == 0) {
        run->took[ANSWER].bytes = (uint64_t)info.st_size;
    }
cleanup:
    stele_save_close(&save);
    return st;
}

static stele_status run_tool(struct run *run, struct took *took, char *const argv[],
                             stele_err *err) {
    stele_status st = STELE_OK;
    took->events = run->took[SEARCH].events;
    STELE_TRY(begin(run, err));
    STELE_TRY(stele_bench_server_run(argv, run->output, &took->client_cpu_s, err));
    STELE_TRY(end(run, took, err));
cleanup:
    return st;
}

/* A word of a command line, which nobody writes to. */
static char *word(const char *text) {
    return (char *)(uintptr_t)text;
}

static stele_status run_tools(struct run *run, stele_err *err) {
    const struct stele_bench_server *server = run->export->server;
    char vkeys[PATH_BYTES];
    char tiles[PATH_BYTES];
    char data[PATH_BYTES];
    stele_status st = STELE_OK;
    char *config = word(run->export->config);
    (void)snprintf(vkeys, sizeof vkeys, "%s/data/vkeys", server->dir);
    (void)snprintf(tiles, sizeof tiles, "%s/tiles", server->dir);
    (void)snprintf(data, sizeof data, "%s/data", server->dir);
    char *verify[] = {word("stele"), word("verify"), run->answer, word("--key"), vkeys, NULL};
    STELE_TRY(run_tool(run, &run->took[VERIFY], verify, err));
    char *jsonl[] = {
        word("stele"), word("--config"), config,         word("query"), word("--tenant"),
        word("acme"),  word("--type"),   word("access"), word("-o"),    word("jsonl"),
        NULL};
    (void)snprintf(run->output, sizeof run->output, "/dev/null");
    STELE_TRY(run_tool(run, &run->took[JSONL], jsonl, err));
    (void)snprintf(run->output, sizeof run->output, "%s/output", server->dir);
    char *out[] = {word("stele"), word("--config"), config, word("tiles"), word("--log"),
                   run->log,      word("--out"),    tiles,  NULL};
    STELE_TRY(run_tool(run, &run->took[TILES], out, err));
    stele_bench_server_halt(run->export->server);
    char *fsck[] = {word("stele"), word("fsck"), word("--data"), data, NULL};
    STELE_TRY(run_tool(run, &run->took[FSCK], fsck, err));
cleanup:
    return st;
}

static void print(const struct run *run, bool json) {
    json_t *out = json_object();
    for (size_t i = 0; i < N_WAYS; i++) {
        const struct took *took = &run->took[i];
        double n = (double)took->events;
        double rate = n / took->seconds;
        double client_us = took->client_cpu_s * 1e6 / n;
        double server_us = took->server_cpu_s * 1e6 / n;
        if (json) {
            (void)json_object_set_new(out, ways[i].name,
                                      json_pack("{s:I, s:f, s:f, s:f, s:f, s:I}", "events",
                                                (json_int_t)took->events, "seconds", took->seconds,
                                                "events_per_s", rate, "client_cpu_us_per_event",
                                                client_us, "server_cpu_us_per_event", server_us,
                                                "file_bytes", (json_int_t)took->bytes));
            continue;
        }
        (void)printf("%-44s %8.0f events/s   CPU: client %.2f, server %.2f us an event",
                     ways[i].what, rate, client_us, server_us);
        if (took->bytes > 0) {
            (void)printf("   %.0f bytes an event", (double)took->bytes / n);
        }
        (void)printf("\n");
    }
    if (json) {
        (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
    }
    json_decref(out);
}

stele_status stele_bench_exports(const struct stele_bench_export *export, bool json,
                                 stele_err *err) {
    struct stele_cli cli = {0};
    struct run *run = stele_alloc(1, sizeof *run);
    struct stele_search_request *request = stele_alloc(1, sizeof *request);
    stele_status st = STELE_OK;
    STELE_TRY(run == NULL || request == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory to export")
                                             : STELE_OK);
    run->export = export;
    (void)snprintf(run->answer, sizeof run->answer, "%s/answer", export->server->dir);
    (void)snprintf(run->output, sizeof run->output, "%s/output", export->server->dir);
    STELE_TRY(stele_bench_settle(export->server, err));
    STELE_TRY(stele_cli_open("bench", export->config, &cli, err));
    STELE_TRY(search_all(run, &cli, request, err));
    STELE_TRY(receive_answer(run, &cli, request, err));
    stele_cli_close(&cli);
    STELE_TRY(run_tools(run, err));
    print(run, json);
cleanup:
    stele_cli_close(&cli);
    stele_free(run);
    stele_free(request);
    return st;
}
