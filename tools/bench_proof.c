/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_proof.c: proofs of what single actors did, and that there is nothing of absent ones.
 */
#include "tools/bench_proof.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/verify.h"
#include "storage/monotonic.h"
#include "tools/bench_events.h"
#include "tools/bench_histogram.h"
#include "tools/bench_query.h"
#include "tools/question.h"
#include "tools/receive_proof.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 600000u

struct row {
    const char *region;
    uint32_t rank;
    bool counted; /* the number alone is proven */
    uint64_t events, file_bytes, payload_bytes;
    struct stele_bench_histogram all, verify;
    struct stele_bench_histogram plain; /* the same question, answered without proof */
    const char *where;                  /* "": in all logs of the region */
};

/* The whole file, in memory: what is measured is the server and not a disk. */
static stele_status take(void *ctx, stele_view bytes, stele_err *err) {
    return stele_buf_append(ctx, bytes, err);
}

static stele_status count_payload(void *ctx, const struct stele_answer_event *event,
                                  stele_err *err) {
    struct row *row = ctx;
    (void)err;
    row->payload_bytes += event->payload.size;
    return STELE_OK;
}

static stele_status verify(const struct stele_vkey *keys, size_t n_keys, stele_view file,
                           struct row *row, stele_err *err) {
    struct stele_verifier *verifier = NULL;
    stele_status st = STELE_OK;
    struct stele_verify_report *report = stele_alloc(1, sizeof *report);
    if (report == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to verify a proof");
    }
    row->payload_bytes = 0;
    STELE_TRY(stele_verifier_new(keys, n_keys, count_payload, row, &verifier, err));
    STELE_TRY(stele_verifier_feed(verifier, file, err));
    STELE_TRY(stele_verifier_end(verifier, report, err));
    row->events = report->n_events;
    if (report->kind != STELE_PROOF_COMPLETE || report->complete.proof.counted != row->counted) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "the server sent another answer than one that is proven complete");
    }
    stele_verify_report_done(report);
cleanup:
    stele_verifier_free(verifier);
    stele_free(report);
    return st;
}

static stele_status prove_rank(struct stele_cli *cli, struct stele_search_request *request,
                               const struct stele_vkey *keys, size_t n_keys, uint64_t times,
                               struct row *ret, stele_err *err) {
    stele_buf file = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    char actor[32];
    stele_bench_actor(ret->rank, actor);
    request->filter.actor = stele_view_str(actor);
    for (uint64_t i = 0; i < times; i++) {
        struct stele_bench_asked asked;
        STELE_TRY(stele_bench_ask(cli, ret->region, actor, 0, &asked, err));
        stele_bench_histogram_add(&ret->plain, (uint64_t)(asked.all_ms * 1000));
        uint64_t start = stele_monotonic_us();
        stele_buf_clear(&file);
        STELE_TRY(stele_receive_proof(cli->client, request, TIMEOUT_MS, take, &file, err));
        uint64_t received = stele_monotonic_us();
        STELE_TRY(verify(keys, n_keys, stele_view_buf(&file), ret, err));
        stele_bench_histogram_add(&ret->all, received - start);
        stele_bench_histogram_add(&ret->verify, stele_monotonic_us() - received);
        ret->file_bytes = file.size;
    }
cleanup:
    stele_buf_done(&file);
    return st;
}

static void print_row(const struct row *row, json_t *rows) {
    double all = stele_bench_histogram_ms(&row->all, 0.5);
    double verified = stele_bench_histogram_ms(&row->verify, 0.5);
    uint64_t proof = row->file_bytes - row->payload_bytes;
    double plain = stele_bench_histogram_ms(&row->plain, 0.5);
    double each = row->events == 0 ? 0 : (double)proof / (double)row->events;
    if (rows != NULL) {
        (void)json_array_append_new(
            rows,
            json_pack("{s:I, s:b, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "actor_rank",
                      (json_int_t)row->rank, "counted", row->counted, "log", row->where, "events",
                      (json_int_t)row->events, "file_bytes", (json_int_t)row->file_bytes,
                      "proof_bytes", (json_int_t)proof, "proof_bytes_an_event", each, "all_p50_ms",
                      all, "without_proof_p50_ms", plain, "verify_p50_ms", verified));
    } else {
        (void)printf("%s rank %-6u %8" PRIu64 " events   file %" PRIu64 " bytes, %" PRIu64
                     " of them proof (%.1f an event)   received p50 %.2f ms, without proof %.2f   "
                     "verified p50 %.2f ms%s%s\n",
                     row->counted ? "count" : "actor", row->rank, row->events, row->file_bytes,
                     proof, each, all, plain, verified, row->where[0] != '\0' ? "   only log " : "",
                     row->where);
    }
}

stele_status stele_bench_proofs(const char *config, const char *region, uint64_t times, bool json,
                                stele_err *err) {
    static const struct {
        uint32_t rank;
        bool counted, one_log;
    } rows_of[] = {{0, false, false},
                   {10, false, false},
                   {100, false, false},
                   {1000, false, false},
                   {STELE_BENCH_ACTORS - 1, false, false},
                   {STELE_BENCH_ABSENT_ACTOR, false, false},
                   {0, true, false},
                   {STELE_BENCH_ABSENT_ACTOR, false, true}};
    struct stele_cli cli = {0};
    struct stele_bench_asked busiest;
    char actor[32];
    struct stele_vkey *keys = NULL;
    size_t n_keys = 0;
    struct row *row = stele_alloc(1, sizeof *row);
    struct stele_search_request *request = stele_alloc(1, sizeof *request);
    stele_status st = STELE_OK;
    json_t *rows = json ? json_array() : NULL;
    STELE_TRY(row == NULL || request == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory to prove")
                                             : STELE_OK);
    STELE_TRY(stele_cli_open("bench", config, &cli, err));
    STELE_TRY(stele_vkeys_read(cli.config->vkeys, &keys, &n_keys, err));
    request->region = stele_view_str(region);
    request->filter.tenant = stele_view_str("acme");
    request->prove = true;
    /* The last row is the absence once more, in the one log that has events. */
    stele_bench_actor(0, actor);
    STELE_TRY(stele_bench_ask(&cli, region, actor, 1, &busiest, err));
    const char *name = strrchr(busiest.log, '/');
    name = name == NULL ? busiest.log : name + 1;
    for (size_t i = 0; i < sizeof rows_of / sizeof rows_of[0]; i++) {
        *row = (struct row){.region = region,
                            .rank = rows_of[i].rank,
                            .counted = rows_of[i].counted,
                            .where = rows_of[i].one_log ? name : ""};
        request->count_only = row->counted;
        request->log.n = rows_of[i].one_log ? 1 : 0;
        request->log.item[0] = stele_view_str(name);
        STELE_TRY(prove_rank(&cli, request, keys, n_keys, times, row, err));
        print_row(row, rows);
    }
    if (json) {
        (void)json_dumpf(rows, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
    }
cleanup:
    json_decref(rows);
    stele_cli_close(&cli);
    stele_free(keys);
    stele_free(request);
    stele_free(row);
    return st;
}
