/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_ingest_rpc.c: the ingest service end to end: mutual TLS, two regions, real
 * stores. Every refusal with its code and text, and nothing else lost; what is stored is read back
 * from the logs.
 */
#include "tests/support/cmocka.h"
#include "tests/support/ingest_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/event.h"
#include "proto/event_map.h"
#include "proto/wire_out.h"
#include "storage/log.h"
#include "storage/receipt.h"
#include "tests/support/engine_fault.h"
#include "tests/support/engine_memory.h"
#include "tests/support/temp_folder.h"

static char folder[2][TEMP_FOLDER_BYTES];
static struct stele_store *store[2];
static struct ingest_rig rig;
static struct stele_rpc_client *client;

static uint64_t fixed_clock(void *ctx) {
    (void)ctx;
    return RIG_NOW_US;
}

static struct stele_store *open_store(const char *dir, const char *region,
                                      struct stele_engine *engine) {
    static const struct stele_log_config logs[] = {
        {.name = "1y", .retention_years = 1},
        {.name = "3y", .retention_years = 3},
        {.name = STELE_SYSTEM_LOG, .retention_years = 7},
    };
    const struct stele_store_config config = {.dir = dir,
                                              .region = region,
                                              .operator_domain = "example.org",
                                              .logs = logs,
                                              .n_logs = 3,
                                              .map = stele_event_map_current(),
                                              .clock = fixed_clock,
                                              .create = true,
                                              .engine = engine};
    struct stele_store *opened = NULL;
    stele_err err = {0};
    if (stele_store_open(&config, &opened, &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    return opened;
}

static void start(void) {
    store[0] = open_store(folder[0], "eu", NULL);
    store[1] = open_store(folder[1], "us", NULL);
    ingest_rig_start(&rig, store, 2, true);
    client = ingest_rig_client(&rig, "client");
}

static void stop(void) {
    stele_rpc_client_close(client);
    ingest_rig_stop(&rig);
    stele_store_close(store[0]);
    stele_store_close(store[1]);
}

static int setup(void **state) {
    (void)state;
    temp_folder_make(folder[0]);
    temp_folder_make(folder[1]);
    start();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stop();
    temp_folder_remove(folder[0]);
    temp_folder_remove(folder[1]);
    return 0;
}

/* ------------------------------------------------------------------ reading back */

/* The events of a log, in order. */
struct stored {
    size_t n;
    stele_buf payload[2000];
    uint64_t seq[2000];
};

static struct stored *read_log(size_t region, const char *name) {
    struct stored *stored = stele_alloc(1, sizeof *stored);
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry entry;
    assert_non_null(stored);
    assert_ok(stele_log_view_open(stele_store_log(store[region], name), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (uint64_t seq = 0; seq < stele_log_view_size(view); seq++) {
        assert_ok(stele_log_read(reader, seq, &entry, NULL));
        if (entry.entry.type == STELE_ENTRY_EVENT) {
            assert_true(stored->n < 2000);
            assert_ok(stele_buf_append(&stored->payload[stored->n], entry.payload, NULL));
            stored->seq[stored->n++] = seq;
        }
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return stored;
}

static void stored_free(struct stored *stored) {
    for (size_t i = 0; i < stored->n; i++) {
        stele_buf_done(&stored->payload[i]);
    }
    stele_free(stored);
}

static size_t count_log(size_t region, const char *name) {
    struct stored *stored = read_log(region, name);
    size_t n = stored->n;
    stored_free(stored);
    return n;
}

static void expect_word(stele_view text, const char *word) {
    if (memmem(text.data, text.size, word, strlen(word)) == NULL) {
        fail_msg("'%s' is not in: %.*s", word, (int)text.size, (const char *)text.data);
    }
}

/* ------------------------------------------------------------------ bad events */

enum { BAD_MAX = 65600 };

/* A good event with `bytes` behind it. */
static void with_tail(const struct rig_event *event, const void *bytes, size_t n, stele_buf *out) {
    rig_event_put(event, out);
    assert_ok(stele_buf_append(out, stele_view_of(bytes, n), NULL));
}

struct bad {
    const char *what;
    uint32_t code;
    const char *word;
};

/* In the order of make_bad. */
static const struct bad bad_events[] = {
    {"cut off", 3, "past the end"},
    {"not protobuf", 3, "wire type"},
    {"empty", 3, "missing"},
    {"a singular field twice", 3, "twice"},
    {"an unknown enum value", 3, "outcome"},
    {"invalid UTF-8", 3, "UTF-8"},
    {"a missing required field", 3, "actor"},
    {"64 KiB and one byte", 3, "65536"},
    {"a region that is not served", 3,
     "region 'ap' is not served here; this server serves: eu, us"},
    {"a tenant the certificate may not write", 7, "tenant 'other'"},
    {"the server's tenant", 7, "server's own"},
    {"the far future", 3, "ahead of this server's clock"},
    {"a class no log keeps", 5, "5"},
    {"a known id with other bytes", 6, "is stored at eu/3y seq"},
};
enum { N_BAD = sizeof bad_events / sizeof *bad_events };

static void make_bad(size_t i, stele_buf *out) {
    static uint8_t filler[BAD_MAX];
    const struct rig_event good = {.id = "bad"};
    switch (i) {
    case 0:
        rig_event_put(&good, out);
        out->size -= 3;
        break;
    case 1:
        assert_ok(stele_buf_append(out, stele_view_str("hello, world"), NULL));
        break;
    case 2:
        break;
    case 3:
        with_tail(&good, "\x0a\x03two", 5, out);
        break;
    case 4: {
        rig_event_put(&good, out);
        uint8_t *outcome = memmem(out->data, out->size, "\x40\x01", 2);
        assert_non_null(outcome);
        outcome[1] = 77;
        break;
    }
    case 5:
        rig_event_put(&(struct rig_event){.id = "bad", .message = "caf\xe9 au lait"}, out);
        break;
    case 6:
        rig_event_put(&(struct rig_event){.id = "bad", .no_actor = true}, out);
        break;
    case 7: { /* an unknown field makes up the size */
        struct stele_wire_out w = stele_wire_out_to(out);
        rig_event_put(&good, out);
        stele_wire_out_bytes(&w, 60, stele_view_of(filler, 65537 - out->size - 5));
        assert_int_equal(out->size, 65537);
        break;
    }
    case 8:
        rig_event_put(&(struct rig_event){.id = "bad", .region = "ap"}, out);
        break;
    case 9:
        rig_event_put(&(struct rig_event){.id = "bad", .tenant = "other"}, out);
        break;
    case 10:
        rig_event_put(&(struct rig_event){.id = "bad", .tenant = "system"}, out);
        break;
    case 11:
        rig_event_put(&(struct rig_event){.id = "bad", .time_unix_nano = UINT64_C(1) << 63}, out);
        break;
    case 12:
        rig_event_put(&(struct rig_event){.id = "bad", .retention_class = 5}, out);
        break;
    default:
        rig_event_put(&(struct rig_event){.id = "known", .message = "other bytes"}, out);
        break;
    }
}

static struct rig_call *all_bad_among_good(void) {
    struct rig_call *call = rig_call_new();
    for (size_t i = 0; i < N_BAD; i++) {
        char id[32];
        stele_buf payload = STELE_BUF_EMPTY;
        (void)snprintf(id, sizeof id, "good-%zu", i);
        rig_call_add(call, &(struct rig_event){.id = id});
        make_bad(i, &payload);
        rig_call_add_bytes(call, stele_view_buf(&payload));
        stele_buf_done(&payload);
    }
    return call;
}

static void store_known(void) {
    struct rig_call *call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = "known"});
    assert_ok(rig_call_send(call, client));
    assert_int_equal(call->event[0].code, 0);
    rig_call_free(call);
}

/* The good ones are stored in their order, each where its ack says. */
static void check_goods(void) {
    struct stored *stored = read_log(0, "3y");
    assert_int_equal(stored->n, N_BAD + 1);
    for (size_t i = 0; i < N_BAD; i++) {
        char id[32];
        struct stele_event_head head;
        (void)snprintf(id, sizeof id, "good-%zu", i);
        assert_ok(stele_event_check(stele_view_buf(&stored->payload[i + 1]), &head, NULL));
        assert_true(stele_view_is(head.event_id, id));
    }
    stored_free(stored);
}

static void test_ingest_rpc__each_bad_event_is_refused_alone(void **state) {
    (void)state;
    store_known();
    struct rig_call *call = all_bad_among_good();
    assert_ok(rig_call_send(call, client));
    assert_int_equal(call->n, 2 * N_BAD);
    for (size_t i = 0; i < N_BAD; i++) {
        assert_int_equal(call->event[2 * i].code, 0);
        assert_true(stele_view_is(call->event[2 * i].log, "eu/3y"));
        if (call->event[2 * i + 1].code != bad_events[i].code) {
            fail_msg("%s: code %u", bad_events[i].what, call->event[2 * i + 1].code);
        }
        expect_word(call->event[2 * i + 1].error, bad_events[i].word);
        assert_int_equal(call->event[2 * i + 1].log.size, 0);
    }
    check_goods();
    assert_int_equal(count_log(0, "1y") + count_log(1, "1y") + count_log(1, "3y"), 0);
    struct stele_ingest_stats stats;
    stele_ingest_stats_of(rig.ingest, &stats);
    assert_int_equal(stats.events_stored, N_BAD + 1);
    assert_int_equal(stats.events_refused, N_BAD);
    rig_call_free(call);
}

static void test_ingest_rpc__a_stream_refuses_the_same(void **state) {
    (void)state;
    store_known();
    struct rig_call *call = all_bad_among_good();
    struct rig_stream *s = rig_stream_open(client);
    rig_stream_send(s, call);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < 2 * N_BAD) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    for (size_t i = 0; i < N_BAD; i++) {
        assert_int_equal(s->event[2 * i].code, 0);
        assert_int_equal(s->event[2 * i + 1].code, bad_events[i].code);
        expect_word(stele_view_str(s->event[2 * i + 1].error), bad_events[i].word);
    }
    check_goods();
    rig_stream_close(s);
    rig_call_free(call);
}

static void test_ingest_rpc__each_refusal_is_in_the_journal(void **state) {
    (void)state;
    store_known();
    struct rig_call *call = all_bad_among_good();
    assert_ok(rig_call_send(call, client));
    stop(); /* which writes what is left */
    start();
    struct stored *journal = read_log(0, STELE_SYSTEM_LOG);
    assert_int_equal(journal->n, N_BAD);
    for (size_t i = 0; i < N_BAD; i++) {
        struct stele_event_head head;
        stele_view payload = stele_view_buf(&journal->payload[i]);
        stele_err err = {0};
        if (stele_event_check(payload, &head, &err) != STELE_OK) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(head.event_type, 11);
        expect_word(payload, "cn:client");
        if (i != 1 && i != 2) { /* these two have no readable words */
            expect_word(payload, bad_events[i].word);
        }
        /* What another region's event was called is not noted here. */
        assert_true((memmem(payload.data, payload.size, "acme", 4) != NULL) ==
                    (i != 1 && i != 2 && i != 8 && i != 9 && i != 10));
    }
    assert_int_equal(count_log(1, STELE_SYSTEM_LOG), 0);
    stored_free(journal);
    rig_call_free(call);
}

/* ------------------------------------------------------------------ bad messages */

static void refuse_message(struct rig_call *call, const char *word) {
    assert_status(rig_call_send(call, client), INVALID);
    assert_int_equal(call->result.code, STELE_RPC_INVALID_ARGUMENT);
    expect_word(stele_view_str(call->err.text), word);
    rig_call_free(call);
}

static void test_ingest_rpc__bad_messages_store_nothing(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    for (int i = 0; i < 1001; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "m-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id});
    }
    refuse_message(call, "over 1000 events");
    call = rig_call_new();
    for (int i = 0; call->request.size <= STELE_APPEND_BYTES_MAX; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "m-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id, .padding_bytes = 32768});
    }
    refuse_message(call, "at most 4194304");
    call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = "m-0"});
    call->request.size--;
    refuse_message(call, "past the end");
    call = rig_call_new();
    assert_ok(stele_buf_append(&call->request, stele_view_str("nonsense"), NULL));
    refuse_message(call, "not protobuf");
    assert_int_equal(count_log(0, "3y"), 0);
    /* And an empty one is no error. */
    call = rig_call_new();
    assert_ok(rig_call_send(call, client));
    assert_int_equal(call->n, 0);
    rig_call_free(call);
}

static void test_ingest_rpc__only_known_certificates_get_in(void **state) {
    (void)state;
    const char *const who[] = {"stranger", NULL};
    for (size_t i = 0; i < 2; i++) {
        struct stele_rpc_client *other = ingest_rig_client(&rig, who[i]);
        struct rig_call *call = rig_call_new();
        rig_call_add(call, &(struct rig_event){.id = "x"});
        assert_status(rig_call_send(call, other), CLOSED);
        assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
        rig_call_free(call);
        stele_rpc_client_close(other);
    }
    assert_int_equal(count_log(0, "3y"), 0);
}

/* ------------------------------------------------------------------ places and duplicates */

static void test_ingest_rpc__events_go_to_their_region_and_class(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    for (int i = 0; i < 40; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "e-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id,
                                               .tenant = i % 3 == 0 ? "beta" : "acme",
                                               .region = i % 2 == 0 ? "eu" : "us",
                                               .retention_class = i % 4 < 2 ? 1 : 0});
    }
    assert_ok(rig_call_send(call, client));
    const char *const name[4] = {"eu/1y", "us/1y", "eu/3y", "us/3y"};
    for (size_t k = 0; k < 4; k++) {
        struct stored *stored = read_log(k % 2, name[k] + 3);
        assert_int_equal(stored->n, 10);
        for (size_t i = 0; i < 10; i++) {
            const struct stele_append_result *result = &call->event[4 * i + k];
            assert_int_equal(result->code, 0);
            assert_true(stele_view_is(result->log, name[k]));
            assert_int_equal(result->seq, stored->seq[i]);
            assert_int_equal(result->log_time_unix_nano, RIG_NOW_US * 1000);
            char id[32];
            struct stele_event_head head;
            (void)snprintf(id, sizeof id, "e-%zu", 4 * i + k);
            assert_ok(stele_event_check(stele_view_buf(&stored->payload[i]), &head, NULL));
            assert_true(stele_view_is(head.event_id, id));
        }
        stored_free(stored);
    }
    rig_call_free(call);
}

static void test_ingest_rpc__an_identity_is_tenant_service_and_id(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = "e"});
    rig_call_add(call, &(struct rig_event){.id = "e", .tenant = "beta"});
    rig_call_add(call, &(struct rig_event){.id = "e", .service = "other"});
    rig_call_add(call, &(struct rig_event){.id = "e", .region = "us"});
    rig_call_add(call, &(struct rig_event){.id = "e"});
    rig_call_add(call, &(struct rig_event){.id = "e", .retention_class = 1});
    assert_ok(rig_call_send(call, client));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(call->event[i].code, 0);
        assert_int_equal(call->event[i].duplicate, i == 4);
    }
    assert_int_equal(call->event[4].seq, call->event[0].seq);
    assert_int_equal(call->event[5].code, STELE_RPC_ALREADY_EXISTS); /* the class is in the bytes */
    rig_call_free(call);
}

static void test_ingest_rpc__duplicates_are_known_after_a_restart(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    uint64_t seq[60];
    for (int i = 0; i < 60; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "e-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id, .retention_class = i % 2 == 0 ? 1 : 3});
    }
    assert_ok(rig_call_send(call, client));
    for (size_t i = 0; i < 60; i++) {
        seq[i] = call->event[i].seq;
    }
    stop();
    start();
    assert_ok(rig_call_send(call, client));
    for (size_t i = 0; i < 60; i++) {
        assert_int_equal(call->event[i].code, 0);
        assert_true(call->event[i].duplicate);
        assert_int_equal(call->event[i].seq, seq[i]);
        assert_int_equal(call->event[i].log_time_unix_nano, RIG_NOW_US * 1000);
    }
    assert_int_equal(count_log(0, "1y") + count_log(0, "3y"), 60);
    rig_call_free(call);
}

/* ------------------------------------------------------------------ receipts */

static void test_ingest_rpc__receipts_verify_offline(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    stele_buf payload[6] = {STELE_BUF_EMPTY};
    for (int i = 0; i < 6; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "e-%d", i % 5); /* the last is a duplicate of the first */
        rig_event_put(&(struct rig_event){.id = id, .retention_class = i % 5 % 2 == 0 ? 1 : 3},
                      &payload[i]);
        rig_call_add_bytes(call, stele_view_buf(&payload[i]));
    }
    rig_call_add(call, &(struct rig_event){.id = "bad", .no_actor = true});
    assert_ok(stele_append_request_put_switches(&call->request, false, true, NULL));
    assert_ok(rig_call_send(call, client));
    assert_int_equal(call->n, 7);
    struct stele_vkey key[2];
    stele_log_vkey(stele_store_log(store[0], "1y"), &key[0]);
    stele_log_vkey(stele_store_log(store[0], "3y"), &key[1]);
    for (size_t i = 0; i < 6; i++) {
        stele_buf scratch = STELE_BUF_EMPTY;
        struct stele_receipt receipt;
        struct stele_receipt_report report;
        stele_err err = {0};
        assert_int_equal(call->event[i].code, 0);
        assert_ok(stele_receipt_decode(call->event[i].receipt, &scratch, &receipt, &err));
        if (stele_receipt_verify(&receipt, stele_view_buf(&payload[i]), key, 2, &report, &err) !=
            STELE_OK) {
            fail_msg("%s", err.text);
        }
        assert_true(report.payload_checked && report.tags_checked);
        assert_int_equal(report.entry.seq, call->event[i].seq);
        /* Another event's bytes are not what it speaks of. */
        assert_status(stele_receipt_verify(&receipt, stele_view_buf(&payload[(i + 1) % 5]), key, 2,
                                           &report, &err),
                      UNVERIFIED);
        stele_buf_done(&scratch);
    }
    for (size_t i = 0; i < 6; i++) {
        stele_buf_done(&payload[i]);
    }
    assert_int_equal(call->event[6].receipt.size, 0);
    assert_int_equal(call->event[6].code, STELE_RPC_INVALID_ARGUMENT);
    rig_call_free(call);
}

/* ------------------------------------------------------------------ a commit that failed and
 * landed */

static void test_ingest_rpc__a_record_that_landed_after_all_is_known(void **state) {
    (void)state;
    struct stele_engine *memory = NULL;
    struct stele_engine *engine = NULL;
    struct ingest_rig other;
    char dir[TEMP_FOLDER_BYTES];
    temp_folder_make(dir);
    assert_ok(engine_memory_new(&memory, NULL));
    assert_ok(engine_fault_new(memory, &engine, NULL));
    struct stele_store *faulty = open_store(dir, "eu", engine);
    ingest_rig_start(&other, &faulty, 1, false);
    struct rig_call *call = rig_call_new();
    for (int i = 0; i < 20; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "e-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id});
    }
    const struct engine_fault fault = {ENGINE_FAULT_APPEND, 1, 1, STELE_IO, true};
    engine_fault_set(engine, &fault);
    assert_status(rig_call_send(call, other.client), CLOSED);
    assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
    /* A client sends again until it is taken. */
    for (int i = 0; i < 500 && rig_call_send(call, other.client) != STELE_OK; i++) {
        (void)usleep(20000);
    }
    assert_int_equal(call->n, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(call->event[i].code, 0);
        assert_true(call->event[i].duplicate);
    }
    rig_call_free(call);
    ingest_rig_stop(&other);
    stele_store_close(faulty);
    temp_folder_remove(dir);
}

#define T(name) cmocka_unit_test_setup_teardown(test_ingest_rpc__##name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(each_bad_event_is_refused_alone),
        T(a_stream_refuses_the_same),
        T(each_refusal_is_in_the_journal),
        T(bad_messages_store_nothing),
        T(only_known_certificates_get_in),
        T(events_go_to_their_region_and_class),
        T(an_identity_is_tenant_service_and_id),
        T(duplicates_are_known_after_a_restart),
        T(receipts_verify_offline),
        cmocka_unit_test(test_ingest_rpc__a_record_that_landed_after_all_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
