/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_query.c: searches for single actors, by how often they act. */
#include "tools/bench_query.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "storage/monotonic.h"
#include "tools/bench_events.h"
#include "tools/bench_histogram.h"
#include "tools/question.h"

#define TIMEOUT_MS 60000u

struct row {
    uint32_t rank;
    uint64_t events;
    struct stele_bench_histogram first, all;
};

stele_status stele_bench_ask(struct stele_cli *cli, const char *region, const char *actor,
                             uint64_t limit, struct stele_bench_asked *ret, stele_err *err) {
    struct stele_search_request *request = stele_alloc(1, sizeof *request);
    struct stele_rpc_stream *stream = NULL;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    struct stele_search_part part;
    struct stele_bench_asked asked = {0};
    uint64_t start_us = stele_monotonic_us();
    if (request == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a question");
    }
    request->region = stele_view_str(region);
    /* Tags are bound to a tenant: a question without one is a scan. */
    request->filter.tenant = stele_view_str("acme");
    request->filter.actor = stele_view_str(actor);
    request->filter.since_unix_nano = 1;
    request->limit = limit;
    request->order = limit > 0 ? STELE_ORDER_DESCENDING : STELE_ORDER_UNSPECIFIED;
    STELE_TRY(stele_client_search(cli->client, request, TIMEOUT_MS, &stream, err));
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        stele_view rest = stele_view_buf(&message);
        while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
            if (part.kind == STELE_SEARCH_PART_HIT && asked.events++ == 0) {
                asked.first_ms = (double)(stele_monotonic_us() - start_us) / 1e3;
                stele_view log = part.as.hit.log;
                (void)snprintf(asked.log, sizeof asked.log, "%.*s", (int)log.size,
                               (const char *)log.data);
            }
        }
        STELE_TRY(st == STELE_END ? STELE_OK : st);
    }
    asked.all_ms = (double)(stele_monotonic_us() - start_us) / 1e3;
    st = st == STELE_END ? STELE_OK : st;
    if (st == STELE_OK) {
        *ret = asked;
    }
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    stele_free(request);
    return st;
}

static stele_status ask_rank(struct stele_cli *cli, const char *region, uint64_t times,
                             struct row *ret, stele_err *err) {
    char actor[32];
    stele_status st = STELE_OK;
    stele_bench_actor(ret->rank, actor);
    for (uint64_t i = 0; i < times; i++) {
        struct stele_bench_asked asked;
        STELE_TRY(stele_bench_ask(cli, region, actor, 0, &asked, err));
        ret->events = asked.events;
        stele_bench_histogram_add(&ret->first, (uint64_t)(asked.first_ms * 1000));
        stele_bench_histogram_add(&ret->all, (uint64_t)(asked.all_ms * 1000));
    }
cleanup:
    return st;
}

static void print_row(const struct row *row, json_t *rows) {
    double first_p50 = stele_bench_histogram_ms(&row->first, 0.5);
    double first_p99 = stele_bench_histogram_ms(&row->first, 0.99);
    double all_p50 = stele_bench_histogram_ms(&row->all, 0.5);
    double all_p99 = stele_bench_histogram_ms(&row->all, 0.99);
    if (rows != NULL) {
        (void)json_array_append_new(rows, json_pack("{s:I, s:I, s:f, s:f, s:f, s:f}", "actor_rank",
                                                    (json_int_t)row->rank, "events",
                                                    (json_int_t)row->events, "first_p50_ms",
                                                    first_p50, "first_p99_ms", first_p99,
                                                    "all_p50_ms", all_p50, "all_p99_ms", all_p99));
    } else {
        (void)printf("actor rank %-6u %8" PRIu64
                     " events   first p50 %.2f p99 %.2f ms   all p50 %.2f p99 %.2f ms\n",
                     row->rank, row->events, first_p50, first_p99, all_p50, all_p99);
    }
}

stele_status stele_bench_queries(const char *config, const char *region, uint64_t times, bool json,
                                 stele_err *err) {
    static const uint32_t ranks[] = {
        0, 10, 100, 1000, STELE_BENCH_ACTORS - 1, STELE_BENCH_ACTORS + 1};
    struct stele_cli cli = {0};
    struct row *row = stele_alloc(1, sizeof *row);
    stele_status st = STELE_OK;
    json_t *rows = json ? json_array() : NULL;
    STELE_TRY(row == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for the samples") : STELE_OK);
    STELE_TRY(stele_cli_open("bench", config, &cli, err));
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        *row = (struct row){.rank = ranks[i]};
        STELE_TRY(ask_rank(&cli, region, times, row, err));
        print_row(row, rows);
    }
    if (json) {
        (void)json_dumpf(rows, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
    }
cleanup:
    json_decref(rows);
    stele_cli_close(&cli);
    stele_free(row);
    return st;
}
