/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_query.c: searches for single actors, by how often they act. Events are counted as
 * they arrive and not unpacked: what is measured is the server and the way to the client.
 */
#include "tools/bench_query.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/log_client.h"
#include "storage/monotonic.h"
#include "tools/bench_cache.h"
#include "tools/bench_events.h"
#include "tools/bench_histogram.h"
#include "tools/bench_settle.h"
#include "tools/question.h"

#define TIMEOUT_MS 60000u
#define KEYS_MAX 8u
#define KEY_BYTES 96

struct key {
    char text[KEY_BYTES];
    uint64_t postings; /* in all logs */
};
struct row {
    const char *what;
    char actor[32], resource[32]; /* resource "": none */
    uint64_t events, rows_examined, postings_read;
    struct stele_bench_histogram first, all, cold_first, cold_all;
    struct key key[KEYS_MAX];
    size_t n_keys;
};

static stele_status take_message(stele_view rest, uint64_t start_us,
                                 struct stele_bench_asked *asked, stele_err *err) {
    struct stele_search_part part;
    stele_status st = STELE_OK;
    while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
        if (part.kind == STELE_SEARCH_PART_END) {
            asked->rows_examined = part.as.end.rows_examined;
        }
        if (part.kind == STELE_SEARCH_PART_HIT && asked->events++ == 0) {
            asked->first_ms = (double)(stele_monotonic_us() - start_us) / 1e3;
            stele_view log = part.as.hit.log;
            (void)snprintf(asked->log, sizeof asked->log, "%.*s", (int)log.size,
                           (const char *)log.data);
        }
    }
    return st == STELE_END ? STELE_OK : st;
}

stele_status stele_bench_search(struct stele_cli *cli, const struct stele_search_request *request,
                                struct stele_bench_asked *ret, stele_err *err) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    struct stele_bench_asked asked = {0};
    uint64_t start_us = stele_monotonic_us();
    STELE_TRY(stele_client_search(cli->client, request, TIMEOUT_MS, &stream, err));
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        STELE_TRY(take_message(stele_view_buf(&message), start_us, &asked, err));
    }
    asked.all_ms = (double)(stele_monotonic_us() - start_us) / 1e3;
    st = st == STELE_END ? STELE_OK : st;
    if (st == STELE_OK) {
        *ret = asked;
    }
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    return st;
}

stele_status stele_bench_ask(struct stele_cli *cli, const char *region, const char *actor,
                             uint64_t limit, struct stele_bench_asked *ret, stele_err *err) {
    struct stele_search_request *request = stele_alloc(1, sizeof *request);
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
    stele_status st = stele_bench_search(cli, request, ret, err);
    stele_free(request);
    return st;
}

/* ------------------------------------------------------------------ one question */

static void set_question(const struct stele_bench_query *query, const struct row *row,
                         struct stele_search_request *request) {
    *request = (struct stele_search_request){.region = stele_view_str(query->region)};
    request->filter.tenant = stele_view_str("acme");
    request->filter.actor = stele_view_str(row->actor);
    request->filter.since_unix_nano = 1;
    if (row->resource[0] != '\0') {
        request->filter.resource = stele_view_str(row->resource);
        request->filter.event_type = 3; /* access */
    }
}

static stele_status add_plan(void *ctx, const struct stele_log_plan *plan, stele_err *err) {
    struct row *row = ctx;
    (void)err;
    row->postings_read += plan->postings;
    for (size_t i = 0; i < plan->n_considered; i++) {
        char text[KEY_BYTES];
        size_t at = 0;
        (void)snprintf(text, sizeof text, "%.*s", (int)plan->considered[i].key.size,
                       (const char *)plan->considered[i].key.data);
        while (at < row->n_keys && strcmp(row->key[at].text, text) != 0) {
            at++;
        }
        if (at == row->n_keys && at < KEYS_MAX) {
            row->key[row->n_keys++] = (struct key){.postings = 0};
            memcpy(row->key[at].text, text, sizeof text);
        }
        if (at < row->n_keys) {
            row->key[at].postings += plan->considered[i].postings;
        }
    }
    return STELE_OK;
}

static stele_status no_status(void *ctx, const struct stele_log_status *status, stele_err *err) {
    (void)ctx;
    (void)status;
    (void)err;
    return STELE_OK;
}

/* A call before the one that is timed connects, and reads no index and no event. The cache is
 * dropped behind the start, which reads the newest events, for duplicates. */
static stele_status ask_cold(const struct stele_bench_query *query,
                             const struct stele_search_request *request, struct row *ret,
                             const char **ret_dropped, stele_err *err) {
    struct stele_cli cli = {0};
    struct stele_bench_asked asked;
    stele_status st = STELE_OK;
    STELE_TRY(stele_bench_server_restart(query->server, err));
    STELE_TRY(stele_cli_open("bench", query->server->client_conf, &cli, err));
    STELE_TRY(stele_client_status(cli.client, query->region, TIMEOUT_MS, no_status, NULL, err));
    STELE_TRY(stele_bench_cache_drop(query->server->dir, ret_dropped, err));
    STELE_TRY(stele_bench_search(&cli, request, &asked, err));
    stele_bench_histogram_add(&ret->cold_first, (uint64_t)(asked.first_ms * 1000));
    stele_bench_histogram_add(&ret->cold_all, (uint64_t)(asked.all_ms * 1000));
cleanup:
    stele_cli_close(&cli);
    return st;
}

static stele_status ask_warm(const struct stele_bench_query *query, struct stele_cli *cli,
                             struct stele_search_request *request, struct row *row,
                             stele_err *err) {
    struct stele_bench_asked asked;
    stele_status st = STELE_OK;
    set_question(query, row, request);
    STELE_TRY(stele_client_explain(cli->client, request, TIMEOUT_MS, add_plan, row, err));
    STELE_TRY(stele_bench_search(cli, request, &asked, err)); /* reads what is to be warm */
    for (uint64_t i = 0; i < query->times; i++) {
        STELE_TRY(stele_bench_search(cli, request, &asked, err));
        row->events = asked.events;
        row->rows_examined = asked.rows_examined;
        stele_bench_histogram_add(&row->first, (uint64_t)(asked.first_ms * 1000));
        stele_bench_histogram_add(&row->all, (uint64_t)(asked.all_ms * 1000));
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ all of them */

#define N_ROWS 4u

static void set_rows(uint64_t events, struct row *row) {
    static const char *const what[N_ROWS] = {"an actor of many events", "an actor of few events",
                                             "an actor, a resource and a type",
                                             "an actor without events"};
    uint32_t many = stele_bench_actor_of(10000, events);
    const uint32_t rank[N_ROWS] = {many, stele_bench_actor_of(10, events), many,
                                   STELE_BENCH_ABSENT_ACTOR};
    for (size_t i = 0; i < N_ROWS; i++) {
        row[i] = (struct row){.what = what[i]};
        stele_bench_actor(rank[i], row[i].actor);
    }
    stele_bench_dataset(stele_bench_dataset_of(5000, events), row[2].resource);
}

static const char *shown(const struct stele_bench_histogram *histogram, double fraction,
                         char out[STELE_AT_LEAST(32)]) {
    (void)snprintf(out, 32, "%.2f", stele_bench_histogram_ms(histogram, fraction));
    return out;
}

static void print_row(const struct row *row) {
    char text[6][32];
    (void)printf("%-32s %8" PRIu64 " events of %" PRIu64 " read   warm: first p50 %s p99 %s ms, "
                 "last p50 %s p99 %s ms",
                 row->what, row->events, row->rows_examined, shown(&row->first, 0.5, text[0]),
                 shown(&row->first, 0.99, text[1]), shown(&row->all, 0.5, text[2]),
                 shown(&row->all, 0.99, text[3]));
    if (row->cold_all.n > 0) {
        (void)printf("   cold: first p50 %s ms, last p50 %s ms",
                     shown(&row->cold_first, 0.5, text[4]), shown(&row->cold_all, 0.5, text[5]));
    }
    (void)printf("\n    postings");
    for (size_t i = 0; i < row->n_keys; i++) {
        (void)printf("%s %" PRIu64 " of %s", i == 0 ? "" : ",", row->key[i].postings,
                     row->key[i].text);
    }
    (void)printf("; %" PRIu64 " of the rarest\n", row->postings_read);
}

static void put_times(json_t *out, const char *name, const struct stele_bench_histogram *of) {
    (void)json_object_set_new(out, name,
                              of->n == 0 ? json_null()
                                         : json_pack("{s:I, s:f, s:f, s:f}", "n", (json_int_t)of->n,
                                                     "p50_ms", stele_bench_histogram_ms(of, 0.5),
                                                     "p99_ms", stele_bench_histogram_ms(of, 0.99),
                                                     "max_ms", (double)of->max_us / 1e3));
}

static json_t *row_json(const struct row *row) {
    json_t *keys = json_array();
    for (size_t i = 0; i < row->n_keys; i++) {
        (void)json_array_append_new(keys, json_pack("{s:s, s:I}", "key", row->key[i].text,
                                                    "postings", (json_int_t)row->key[i].postings));
    }
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "what", row->what, "actor", row->actor,
                  "resource", row->resource, "events", (json_int_t)row->events, "rows_examined",
                  (json_int_t)row->rows_examined, "postings_read", (json_int_t)row->postings_read,
                  "keys", keys);
    put_times(out, "warm_first", &row->first);
    put_times(out, "warm_last", &row->all);
    put_times(out, "cold_first", &row->cold_first);
    put_times(out, "cold_last", &row->cold_all);
    return out;
}

static void print_all(const struct stele_bench_query *query, const struct row *row,
                      const char *cold, bool json) {
    json_t *rows = json ? json_array() : NULL;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (json) {
            (void)json_array_append_new(rows, row_json(&row[i]));
        } else {
            print_row(&row[i]);
        }
    }
    if (json) {
        json_t *out = json_pack("{s:I, s:s, s:o}", "events", (json_int_t)query->events, "cold",
                                cold, "rows", rows);
        (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
        json_decref(out);
    } else {
        (void)printf("cold                             %s\n", cold);
    }
}

stele_status stele_bench_queries(const struct stele_bench_query *query, bool json, stele_err *err) {
    struct stele_cli cli = {0};
    struct row *row = stele_alloc(N_ROWS, sizeof *row);
    struct stele_search_request *request = stele_alloc(1, sizeof *request);
    const char *dropped = "";
    char cold[128] = "not asked";
    stele_status st = STELE_OK;
    STELE_TRY(row == NULL || request == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory to ask")
                                             : STELE_OK);
    STELE_TRY(query->server == NULL ? STELE_OK : stele_bench_settle(query->server, err));
    set_rows(query->events, row);
    STELE_TRY(stele_cli_open("bench", query->config, &cli, err));
    for (size_t i = 0; i < N_ROWS; i++) {
        STELE_TRY(ask_warm(query, &cli, request, &row[i], err));
    }
    for (size_t i = 0; query->server != NULL && i < N_ROWS; i++) {
        set_question(query, &row[i], request);
        for (uint64_t j = 0; j < query->cold_times; j++) {
            STELE_TRY(ask_cold(query, request, &row[i], &dropped, err));
            (void)snprintf(cold, sizeof cold, "server started again, %s", dropped);
        }
    }
    if (query->server == NULL) {
        (void)snprintf(cold, sizeof cold, "not asked: not a server of bench's own");
    }
    print_all(query, row, cold, json);
cleanup:
    stele_cli_close(&cli);
    stele_free(row);
    stele_free(request);
    return st;
}
