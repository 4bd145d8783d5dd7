/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_ingest_rpc.c: good events end to end, over mutual TLS into real stores: where
 * they go, that sending again changes nothing, and that receipts verify offline.
 */
#include "tests/support/cmocka.h"
#include "tests/support/ingest_bed.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/event.h"
#include "proto/rpc_calls.h"
#include "storage/receipt.h"
#include "tests/support/engine_fault.h"
#include "tests/support/engine_memory.h"
#include "tests/support/temp_folder.h"

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
    rig_call_send_ok(call, bed.client);
    const char *const name[4] = {"eu/1y", "us/1y", "eu/3y", "us/3y"};
    for (size_t k = 0; k < 4; k++) {
        struct bed_log *stored = bed_log_read(k % 2, name[k] + 3);
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
        bed_log_free(stored);
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
    rig_call_send_ok(call, bed.client);
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
    rig_call_send_ok(call, bed.client);
    for (size_t i = 0; i < 60; i++) {
        seq[i] = call->event[i].seq;
    }
    ingest_bed_restart();
    rig_call_send_ok(call, bed.client);
    for (size_t i = 0; i < 60; i++) {
        assert_int_equal(call->event[i].code, 0);
        assert_true(call->event[i].duplicate);
        assert_int_equal(call->event[i].seq, seq[i]);
        assert_int_equal(call->event[i].log_time_unix_nano, RIG_NOW_US * 1000);
    }
    assert_int_equal(bed_log_count(0, "1y") + bed_log_count(0, "3y"), 60);
    rig_call_free(call);
}

/* ------------------------------------------------------------------ many at a time */

static void start_append(struct stele_rpc_calls *calls, uint32_t number, unsigned id) {
    struct rig_call *call = rig_call_new();
    char text[32];
    (void)snprintf(text, sizeof text, "e-%u", id);
    rig_call_add(call, &(struct rig_event){.id = text, .retention_class = 1});
    assert_ok(stele_rpc_calls_start(calls, number, stele_view_buf(&call->request), 20000, NULL));
    rig_call_free(call);
}

/* Enough that workers are woken for many calls and for the last few, while others still work. */
static void test_ingest_rpc__calls_under_way_each_get_a_place(void **state) {
    enum {
        UNDER_WAY = 96,
        CALLS = 5000,
        PLACES = CALLS + 100 /* the log has entries of its own */
    };
    (void)state;
    struct stele_rpc_calls *calls = NULL;
    unsigned n_started = 0;
    bool taken[PLACES] = {false};
    assert_ok(stele_rpc_calls_new(&bed.client, 1, STELE_APPEND_PATH, UNDER_WAY, &calls, NULL));
    for (; n_started < UNDER_WAY; n_started++) {
        start_append(calls, n_started, n_started);
    }
    for (unsigned n_answered = 0; n_answered < CALLS; n_answered++) {
        struct stele_rpc_answer answer;
        stele_err err = {.text = ""};
        assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, &err));
        assert_ok(answer.st);
        assert_int_equal(answer.result.code, STELE_RPC_OK);
        struct stele_append_result result;
        struct stele_wire reply = stele_wire_of(answer.reply);
        assert_ok(stele_append_response_next(&reply, &result, &err));
        if (result.code != 0 || result.seq >= PLACES || taken[result.seq]) {
            fail_msg("answer %u: code %u, %.*s seq %llu", n_answered, result.code,
                     (int)result.error.size, (const char *)result.error.data,
                     (unsigned long long)result.seq);
        }
        taken[result.seq] = true;
        if (n_started < CALLS) {
            start_append(calls, answer.number, n_started++);
        }
    }
    stele_rpc_calls_free(calls);
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
    rig_call_send_ok(call, bed.client);
    assert_int_equal(call->n, 7);
    struct stele_vkey key[2];
    stele_log_vkey(stele_store_log(bed.store[0], "1y"), &key[0]);
    stele_log_vkey(stele_store_log(bed.store[0], "3y"), &key[1]);
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
    struct stele_store *faulty = ingest_bed_open_store(dir, "eu", engine);
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

static atomic_uint answers;
static void count_answer(void *arg, stele_status st, const stele_err *err,
                         const struct stele_batch_place *place) {
    (void)err;
    (void)place;
    *(stele_status *)arg = st;
    (void)atomic_fetch_add(&answers, 1);
}

static void wait_for_answers(unsigned n) {
    for (int i = 0; i < 3000 && atomic_load(&answers) < n; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(atomic_load(&answers), n);
}

static struct stele_batch *batch_bound(struct stele_log *log, stele_view payload,
                                       uint64_t adoptions) {
    struct stele_batch *batch = NULL;
    assert_ok(stele_batch_new(log, &batch, NULL));
    assert_ok(stele_batch_add(batch, payload, NULL));
    stele_batch_bind(batch, adoptions);
    return batch;
}

/* Who looked for duplicates before the log recovered may have missed what the log then took up. */
static void test_ingest_rpc__a_batch_of_before_a_recovery_is_refused(void **state) {
    (void)state;
    struct stele_engine *memory = NULL;
    struct stele_engine *engine = NULL;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_err err;
    char dir[TEMP_FOLDER_BYTES];
    temp_folder_make(dir);
    assert_ok(engine_memory_new(&memory, NULL));
    assert_ok(engine_fault_new(memory, &engine, NULL));
    struct stele_store *faulty = ingest_bed_open_store(dir, "eu", engine);
    struct stele_log *log = stele_store_log(faulty, "3y");
    rig_event_put(&(struct rig_event){.id = "e-1"}, &payload);
    atomic_store(&answers, 0);
    const struct engine_fault fault = {ENGINE_FAULT_APPEND, 1, 1, STELE_IO, true};
    engine_fault_set(engine, &fault);
    uint64_t before = stele_log_adoptions(log);
    struct stele_batch *first = batch_bound(log, stele_view_buf(&payload), before);
    struct stele_batch *again = batch_bound(log, stele_view_buf(&payload), before);
    assert_ok(stele_batch_submit(first, count_answer, &st, NULL));
    wait_for_answers(1);
    assert_int_equal(st, STELE_IO);
    for (int i = 0; i < 3000 && stele_log_adoptions(log) == before; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(stele_log_adoptions(log), before + 1);
    assert_status(stele_batch_submit(again, count_answer, &st, &err), CLOSED);
    expect_word(stele_view_str(err.text), "recovered a moment ago");
    stele_batch_free(again);
    /* Who looks now finds it; what is bound to now is taken. */
    struct stele_batch *next = batch_bound(log, stele_view_buf(&payload), stele_log_adoptions(log));
    assert_ok(stele_batch_submit(next, count_answer, &st, NULL));
    wait_for_answers(2);
    assert_int_equal(st, STELE_OK);
    stele_buf_done(&payload);
    stele_store_close(faulty);
    temp_folder_remove(dir);
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_ingest_rpc__##name, ingest_bed_setup, ingest_bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(events_go_to_their_region_and_class),
        T(an_identity_is_tenant_service_and_id),
        T(duplicates_are_known_after_a_restart),
        T(calls_under_way_each_get_a_place),
        T(receipts_verify_offline),
        cmocka_unit_test(test_ingest_rpc__a_record_that_landed_after_all_is_known),
        cmocka_unit_test(test_ingest_rpc__a_batch_of_before_a_recovery_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
