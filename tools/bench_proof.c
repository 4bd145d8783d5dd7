/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_proof.c: proofs of what single actors did, and that there is nothing of absent ones.
 */
#include "tools/bench_proof.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/verify.h"
#include "tools/bench_events.h"
#include "tools/bench_histogram.h"
#include "tools/bench_query.h"
#include "tools/question.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 600000u

struct row {
    uint32_t rank;
    uint64_t events, file_bytes, payload_bytes;
    struct stele_bench_histogram all, verify;
    struct stele_bench_histogram plain; /* the same question, answered without proof */
    const char *where;                  /* "": in all logs of the region */
};

static uint64_t now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* The whole file, in memory: what is measured is the server and not a disk. */
static stele_status receive(struct stele_cli *cli, const struct stele_search_request *request,
                            stele_buf *file, stele_err *err) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_search_part part;
    stele_status st = STELE_OK;
    STELE_TRY(stele_client_search(cli->client, request, TIMEOUT_MS, &stream, err));
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        stele_view rest = stele_view_buf(&message);
        while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
            if (part.kind == STELE_SEARCH_PART_ANSWER) {
                STELE_TRY(stele_buf_append(file, part.as.answer, err));
            }
        }
        STELE_TRY(st == STELE_END ? STELE_OK : st);
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    return st;
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
    if (report->kind != STELE_PROOF_COMPLETE) {
        st = STELE_FAIL(err, UNVERIFIED, "the server sent an answer that is not proven complete");
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
    char region[64];
    char actor[32];
    stele_bench_actor(ret->rank, actor);
    request->filter.actor = stele_view_str(actor);
    (void)snprintf(region, sizeof region, "%.*s", (int)request->region.size,
                   (const char *)request->region.data);
    for (uint64_t i = 0; i < times; i++) {
        struct stele_bench_asked asked;
        STELE_TRY(stele_bench_ask(cli, region, actor, 0, &asked, err));
        stele_bench_histogram_add(&ret->plain, (uint64_t)(asked.all_ms * 1000));
        uint64_t start = now_us();
        stele_buf_clear(&file);
        STELE_TRY(receive(cli, request, &file, err));
        uint64_t received = now_us();
        STELE_TRY(verify(keys, n_keys, stele_view_buf(&file), ret, err));
        stele_bench_histogram_add(&ret->all, received - start);
        stele_bench_histogram_add(&ret->verify, now_us() - received);
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
            json_pack("{s:I, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "actor_rank",
                      (json_int_t)row->rank, "log", row->where, "events", (json_int_t)row->events,
                      "file_bytes", (json_int_t)row->file_bytes, "proof_bytes", (json_int_t)proof,
                      "proof_bytes_an_event", each, "all_p50_ms", all, "without_proof_p50_ms",
                      plain, "verify_p50_ms", verified));
    } else {
        (void)printf("actor rank %-6u %8" PRIu64 " events   file %" PRIu64 " bytes, %" PRIu64
                     " of them proof (%.1f an event)   received p50 %.2f ms, without proof %.2f   "
                     "verified p50 %.2f ms%s%s\n",
                     row->rank, row->events, row->file_bytes, proof, each, all, plain, verified,
                     row->where[0] != '\0' ? "   only log " : "", row->where);
    }
}

stele_status stele_bench_proofs(const char *config, const char *region, uint64_t times, bool json,
                                stele_err *err) {
    static const uint32_t ranks[] = {
        0, 10, 100, 1000, STELE_BENCH_ACTORS - 1, STELE_BENCH_ACTORS + 1, STELE_BENCH_ACTORS + 1};
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
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        bool last = i + 1 == sizeof ranks / sizeof ranks[0];
        *row = (struct row){.rank = ranks[i], .where = last ? name : ""};
        if (last) {
            request->log.n = 1;
            request->log.item[0] = stele_view_str(name);
        }
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
