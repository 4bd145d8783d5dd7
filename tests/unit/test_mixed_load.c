/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_mixed_load.c: everything at once against the whole server over mutual TLS: single
 * calls, streams, searches, proofs, counts, checkpoints, raw entries, callers that go away, while
 * units of 256 are packed behind them. What was acknowledged before a question is in its answer,
 * and checkpoints only grow. Its worth is under the thread sanitizer: what it asserts holds in any
 * build.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/event_map.h"
#include "proto/log_client.h"
#include "proto/query_client.h"
#include "storage/checkpoint.h"
#include "tests/fault/serve_rig.h"
#include "tests/support/cmocka.h"

#define CALLERS 4
#define CALLS 60
#define STREAMS 2
#define STREAM_MESSAGES 40
#define STREAM_EVENTS 25
#define TIMEOUT_MS 120000 /* of one call: only so that a hanging server fails the test */

static struct serve_rig rig;
static atomic_uint_fast64_t n_acked; /* events of tenant acme */
static atomic_bool writers_done;

/* The store is made here, with small units, before the server opens it. */
static void make_store(const char *folder) {
    static const struct stele_log_config logs[] = {{.name = "system", .retention_years = 7},
                                                   {.name = "3y", .retention_years = 3},
                                                   {.name = "1y", .retention_years = 1}};
    struct stele_store *store = NULL;
    const struct stele_store_config config = {.dir = folder,
                                              .region = "eu",
                                              .operator_domain = "example.org",
                                              .logs = logs,
                                              .n_logs = 3,
                                              .map = stele_event_map_current(),
                                              .create = true,
                                              .pack_entries = 256};
    assert_ok(stele_store_open(&config, &store, NULL));
    stele_store_close(store);
}

static void add(struct rig_call *call, unsigned writer, unsigned number) {
    char id[64];
    (void)snprintf(id, sizeof id, "e-%u-%u", writer, number);
    rig_call_add(call, &(struct rig_event){.id = id, .retention_class = number % 3 == 0 ? 1 : 3});
}

/* ------------------------------------------------------------------ writers */
static void *call_all(void *arg) {
    struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
    unsigned writer = *(unsigned *)arg;
    unsigned number = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        struct rig_call *call = rig_call_new();
        for (unsigned k = 0; k < 1 + i % 10; k++) {
            add(call, writer, number++);
        }
        rig_call_send_ok(call, client);
        for (size_t k = 0; k < call->n; k++) {
            assert_int_equal(call->event[k].code, 0);
        }
        atomic_fetch_add(&n_acked, call->n);
        rig_call_free(call);
    }
    stele_rpc_client_close(client);
    return NULL;
}

static void *stream_all(void *arg) {
    struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
    struct rig_stream *stream = rig_stream_open(client);
    unsigned writer = *(unsigned *)arg;
    uint64_t told = 0;
    for (unsigned i = 0; i < STREAM_MESSAGES; i++) {
        struct rig_call *call = rig_call_new();
        for (unsigned k = 0; k < STREAM_EVENTS; k++) {
            add(call, writer, i * STREAM_EVENTS + k);
        }
        rig_stream_send(stream, call);
        rig_call_free(call);
        while (stream->acked + (uint64_t)4 * STREAM_EVENTS <
               (uint64_t)(i + 1) * STREAM_EVENTS) { /* four under way */
            assert_ok(rig_stream_receive(stream));
        }
        atomic_fetch_add(&n_acked, stream->acked - told);
        told = stream->acked;
    }
    while (stream->acked < (uint64_t)STREAM_MESSAGES * STREAM_EVENTS) {
        assert_ok(rig_stream_receive(stream));
    }
    atomic_fetch_add(&n_acked, stream->acked - told);
    rig_stream_close(stream);
    stele_rpc_client_close(client);
    return NULL;
}

/* ------------------------------------------------------------------ readers */
static struct stele_search_request *question(void) {
    struct stele_search_request *request = stele_alloc(1, sizeof *request);
    assert_non_null(request);
    request->region = stele_view_str("eu");
    request->filter.tenant = stele_view_str("acme");
    return request;
}

/* Reads an answer to its end, or goes away after `messages` of it. */
static void read_answer(struct stele_rpc_client *client, const struct stele_search_request *request,
                        unsigned messages) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = stele_client_search(client, request, TIMEOUT_MS, &stream, NULL);
    assert_ok(st);
    for (unsigned i = 0; st == STELE_OK && i < messages; i++) {
        st = stele_rpc_stream_receive(stream, &message, NULL, NULL);
    }
    assert_true(st == STELE_OK || st == STELE_END);
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
}

static void *search_all(void *arg) {
    struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
    struct stele_search_request *request = question();
    (void)arg;
    for (unsigned i = 0; !atomic_load(&writers_done) || i < 8; i++) {
        request->order = i % 2 == 0 ? STELE_ORDER_ASCENDING : STELE_ORDER_DESCENDING;
        request->limit = i % 4 == 0 ? 0 : 200;
        request->prove = i % 3 == 0;
        if (request->prove) {
            request->order = STELE_ORDER_UNSPECIFIED;
        }
        read_answer(client, request, i % 5 == 4 ? 1 : UINT32_MAX);
    }
    stele_free(request);
    stele_rpc_client_close(client);
    return NULL;
}

static void *count_all(void *arg) {
    struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
    struct stele_search_request *request = question();
    uint64_t before = 0;
    (void)arg;
    while (!atomic_load(&writers_done)) {
        uint64_t acked = atomic_load(&n_acked);
        uint64_t count = 0;
        assert_ok(stele_client_count(client, request, TIMEOUT_MS, &count, NULL));
        assert_true(count >= acked && count >= before);
        before = count;
    }
    stele_free(request);
    stele_rpc_client_close(client);
    return NULL;
}

/* The size a note says, on its second line. */
static uint64_t size_of(stele_buf *note) {
    assert_ok(stele_buf_append(note, stele_view_of("", 1), NULL));
    const char *line = strchr((const char *)note->data, '\n');
    assert_non_null(line);
    return strtoull(line + 1, NULL, 10);
}

static stele_status look(void *ctx, uint64_t seq, stele_view entry, stele_err *err) {
    uint64_t *next = ctx;
    assert_int_equal(seq, (*next)++);
    assert_true(entry.size > 0);
    (void)err;
    return STELE_OK;
}

static void *read_log(void *arg) {
    static const char *const logs[] = {"eu/3y", "eu/1y", "eu/system"};
    struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
    uint64_t size[3] = {1, 1, 1};
    (void)arg;
    for (unsigned i = 0; !atomic_load(&writers_done); i++) {
        const char *log = logs[i % 3];
        stele_buf note = STELE_BUF_EMPTY;
        stele_buf path = STELE_BUF_EMPTY;
        stele_buf later = STELE_BUF_EMPTY;
        uint64_t next = 0;
        assert_ok(stele_client_checkpoint(client, log, 0, TIMEOUT_MS, &note, NULL));
        uint64_t now = size_of(&note);
        assert_true(now >= size[i % 3]);
        assert_ok(
            stele_client_consistency(client, log, size[i % 3], TIMEOUT_MS, &path, &later, NULL));
        assert_true(size_of(&later) >= now);
        size[i % 3] = now;
        assert_ok(stele_client_entries(client, log, 0, now < 300 ? now : 300, look, &next, NULL));
        stele_buf_done(&note);
        stele_buf_done(&path);
        stele_buf_done(&later);
    }
    stele_rpc_client_close(client);
    return NULL;
}

/* Connections that come, ask and go, as a load balancer's do. */
static void *come_and_go(void *arg) {
    struct stele_search_request *request = question();
    (void)arg;
    while (!atomic_load(&writers_done)) {
        struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
        struct stele_rpc_stream *stream = NULL;
        read_answer(client, request, 1);
        assert_ok(stele_client_search(client, request, TIMEOUT_MS, &stream, NULL));
        stele_rpc_stream_cancel(stream);
        stele_rpc_stream_close(stream);
        stele_rpc_client_close(client);
    }
    stele_free(request);
    return NULL;
}

/* ------------------------------------------------------------------ all of it */
static int start_server(void **state) {
    char folder[TEMP_FOLDER_BYTES + 8];
    (void)state;
    serve_rig_start(&rig, NULL);
    stele_serve_stop(rig.serve);
    rig.serve = NULL;
    (void)snprintf(folder, sizeof folder, "%s/eu", rig.data);
    temp_folder_remove(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    make_store(folder);
    serve_rig_restart(&rig);
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    serve_rig_stop(&rig);
    return 0;
}

static void test_mixed_load__everything_at_once(void **state) {
    static void *(*const reads[])(void *) = {search_all, search_all, count_all, read_log,
                                             come_and_go};
    enum { READERS = sizeof reads / sizeof reads[0], WRITERS = CALLERS + STREAMS };
    pthread_t writer[WRITERS];
    pthread_t reader[READERS];
    unsigned number[WRITERS];
    uint64_t count = 0;
    (void)state;
    for (unsigned i = 0; i < WRITERS; i++) {
        number[i] = i;
        assert_int_equal(
            pthread_create(&writer[i], NULL, i < CALLERS ? call_all : stream_all, &number[i]), 0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&reader[i], NULL, reads[i], NULL), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writer[i], NULL), 0);
    }
    atomic_store(&writers_done, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(reader[i], NULL), 0);
    }
    struct stele_rpc_client *client = ingest_rig_client(&rig.ingest, "client");
    struct stele_search_request *request = question();
    assert_ok(stele_client_count(client, request, TIMEOUT_MS, &count, NULL));
    assert_int_equal(count, atomic_load(&n_acked));
    assert_int_equal(count, CALLERS * CALLS / 10 * 55 + STREAMS * STREAM_MESSAGES * STREAM_EVENTS);
    stele_free(request);
    stele_rpc_client_close(client);
    char packs[TEMP_FOLDER_BYTES + 32];
    (void)snprintf(packs, sizeof packs, "%s/eu/blobs/3y/p", rig.data);
    assert_int_equal(access(packs, F_OK), 0); /* units were packed meanwhile */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mixed_load__everything_at_once)};
    return cmocka_run_group_tests_name("mixed_load", tests, start_server, stop_server);
}
