/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_ingest_faults.c: what clients are told when queues are full, commits fail or
 * hang, and what is stored in the end. Over a real server, with stores that fail on demand.
 */
#include "tests/support/cmocka.h"
#include "tests/support/ingest_rig.h"
#include "tests/support/log_fake.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct stele_store *store;
static struct stele_log *log3, *log1;
static struct ingest_rig rig;

static int setup(void **state) {
    (void)state;
    store = log_fake_open("eu", RIG_NOW_US);
    log3 = stele_store_log(store, "3y");
    log1 = stele_store_log(store, "1y");
    ingest_rig_start(&rig, &store, 1, false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ingest_rig_stop(&rig);
    log_fake_close(store);
    return 0;
}

static void wait_held(struct stele_log *log, size_t n) {
    for (int i = 0; i < 20000 && log_fake_held(log) != n; i++) {
        (void)usleep(500);
    }
    assert_int_equal(log_fake_held(log), n);
}

static void expect_text(const char *text, const char *word) {
    if (strstr(text, word) == NULL) {
        fail_msg("'%s' is not in: %s", word, text);
    }
}

static void expect_result(const struct rig_call *call, size_t i, uint32_t code, const char *word) {
    char text[512];
    assert_true(i < call->n);
    (void)snprintf(text, sizeof text, "%.*s", (int)call->event[i].error.size,
                   (const char *)call->event[i].error.data);
    assert_int_equal(call->event[i].code, code);
    expect_text(text, word);
}

static struct rig_call *call_of(const char *id, const char *message) {
    struct rig_call *call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = id, .message = message});
    return call;
}

/* A call on a thread of its own. */
struct later {
    struct rig_call *call;
    stele_status st;
    pthread_t thread;
};

static void *send_later(void *arg) {
    struct later *later = arg;
    later->st = rig_call_send(later->call, rig.client);
    return NULL;
}

static void start(struct later *later, struct rig_call *call) {
    later->call = call;
    assert_int_equal(pthread_create(&later->thread, NULL, send_later, later), 0);
}

static stele_status finish(struct later *later) {
    assert_int_equal(pthread_join(later->thread, NULL), 0);
    return later->st;
}

/* ------------------------------------------------------------------ full queues */

static void test_ingest_faults__a_full_queue_refuses_the_call_with_a_delay(void **state) {
    (void)state;
    struct rig_call *call = call_of("e1", NULL);
    log_fake_set(log3, LOG_FAKE_BUSY);
    assert_status(rig_call_send(call, rig.client), BUSY);
    assert_int_equal(call->result.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(call->result.retry_after_ms, 100);
    assert_int_equal(log_fake_count(log3), 0);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    rig_call_send_ok(call, rig.client);
    assert_int_equal(call->event[0].code, 0);
    assert_false(call->event[0].duplicate);
    rig_call_free(call);
}

static void test_ingest_faults__a_half_stored_request_answers_event_by_event(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    for (int i = 0; i < 6; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "e%d", i);
        rig_call_add(call, &(struct rig_event){.id = id, .retention_class = i % 2 == 0 ? 1 : 3});
    }
    log_fake_set(log3, LOG_FAKE_BUSY);
    rig_call_send_ok(call, rig.client);
    assert_int_equal(call->n, 6);
    for (size_t i = 0; i < 6; i++) {
        if (i % 2 == 0) {
            assert_int_equal(call->event[i].code, 0);
            assert_true(stele_view_is(call->event[i].log, "eu/1y"));
            assert_int_equal(call->event[i].seq, i / 2);
        } else {
            expect_result(call, i, STELE_RPC_RESOURCE_EXHAUSTED, "queue is full");
        }
    }
    /* Sent again, nothing is new but what fails: the whole call says so. */
    log_fake_set(log3, LOG_FAKE_FAIL);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    rig_call_send_ok(call, rig.client);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(call->event[i].code, 0);
        assert_int_equal(call->event[i].duplicate, i % 2 == 0);
    }
    rig_call_free(call);
}

static void test_ingest_faults__a_failed_commit_is_unavailable_and_forgotten(void **state) {
    (void)state;
    struct rig_call *call = call_of("e1", NULL);
    log_fake_set(log3, LOG_FAKE_FAIL);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
    expect_text(call->err.text, "the disk of the test is broken");
    assert_int_equal(log_fake_count(log3), 0);
    log_fake_set(log3, LOG_FAKE_CLOSED);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    rig_call_send_ok(call, rig.client);
    assert_false(call->event[0].duplicate);
    assert_int_equal(log_fake_count(log3), 1);
    rig_call_free(call);
}

static void test_ingest_faults__what_landed_after_all_is_a_duplicate(void **state) {
    (void)state;
    struct rig_call *call = call_of("e1", NULL);
    struct rig_call *other = call_of("e2", NULL);
    log_fake_set(log3, LOG_FAKE_ADOPT);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    log_fake_set(log3, LOG_FAKE_COMMIT); /* the log recovers and finds the record */
    rig_call_send_ok(other, rig.client);
    assert_int_equal(other->event[0].seq, 1);
    rig_call_send_ok(call, rig.client);
    assert_true(call->event[0].duplicate);
    assert_int_equal(call->event[0].seq, 0);
    assert_int_equal(log_fake_count(log3), 2);
    rig_call_free(call);
    rig_call_free(other);
}

/* A retry looks for its event while the log is stopped, and submits when it has recovered. */
static void
test_ingest_faults__a_recovery_between_check_and_submit_stores_nothing_twice(void **state) {
    (void)state;
    struct rig_call *call = call_of("e1", NULL);
    struct rig_call *other = call_of("e2", NULL);
    log_fake_set(log3, LOG_FAKE_ADOPT);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    log_fake_recover_at_submit(log3);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
    expect_text(call->err.text, "recovered");
    rig_call_send_ok(call, rig.client);
    assert_true(call->event[0].duplicate);
    assert_int_equal(call->event[0].seq, 0);
    rig_call_send_ok(other, rig.client);
    assert_int_equal(log_fake_count(log3), 2);
    rig_call_free(call);
    rig_call_free(other);
}

/* ------------------------------------------------------------------ duplicates */

static void test_ingest_faults__a_second_copy_waits_for_the_first(void **state) {
    (void)state;
    struct later first, second;
    struct rig_call *other = call_of("e1", "other bytes");
    log_fake_set(log3, LOG_FAKE_HOLD);
    start(&first, call_of("e1", NULL));
    wait_held(log3, 1);
    start(&second, call_of("e1", NULL));
    rig_call_send_ok(other, rig.client); /* answered at once */
    expect_result(other, 0, STELE_RPC_ALREADY_EXISTS, "at this moment");
    (void)usleep(20000);
    assert_int_equal(log_fake_held(log3), 1);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    assert_ok(finish(&first));
    assert_ok(finish(&second));
    assert_false(first.call->event[0].duplicate);
    assert_true(second.call->event[0].duplicate);
    assert_int_equal(second.call->event[0].code, 0);
    assert_int_equal(second.call->event[0].seq, first.call->event[0].seq);
    assert_true(stele_view_is(second.call->event[0].log, "eu/3y"));
    assert_int_equal(second.call->event[0].log_time_unix_nano, RIG_NOW_US * 1000);
    assert_int_equal(log_fake_count(log3), 1);
    rig_call_free(first.call);
    rig_call_free(second.call);
    rig_call_free(other);
}

static void test_ingest_faults__a_second_copy_fails_with_the_first(void **state) {
    (void)state;
    struct later first, second;
    log_fake_set(log3, LOG_FAKE_HOLD);
    start(&first, call_of("e1", NULL));
    wait_held(log3, 1);
    struct rig_call *mixed = call_of("e1", NULL);
    rig_call_add(mixed, &(struct rig_event){.id = "e2", .retention_class = 1});
    start(&second, mixed);
    for (int i = 0; i < 20000 && log_fake_count(log1) == 0; i++) {
        (void)usleep(500);
    }
    log_fake_set(log3, LOG_FAKE_FAIL);
    assert_status(finish(&first), CLOSED);
    assert_ok(finish(&second)); /* its other event is stored */
    expect_result(second.call, 0, STELE_RPC_UNAVAILABLE, "the disk of the test is broken");
    assert_int_equal(second.call->event[1].code, 0);
    rig_call_free(first.call);
    rig_call_free(second.call);
}

static void test_ingest_faults__two_requests_may_wait_for_each_other(void **state) {
    (void)state;
    struct later first, second;
    struct rig_call *ab = rig_call_new();
    struct rig_call *ba = rig_call_new();
    rig_call_add(ab, &(struct rig_event){.id = "a", .retention_class = 1});
    rig_call_add(ba, &(struct rig_event){.id = "b", .retention_class = 3});
    for (int i = 0; i < 100; i++) { /* both claims are made before either asks for the other's */
        char id[32];
        (void)snprintf(id, sizeof id, "p%d", i);
        rig_call_add(ab, &(struct rig_event){.id = id, .retention_class = 1});
        rig_call_add(ba, &(struct rig_event){.id = id, .service = "other", .retention_class = 3});
    }
    rig_call_add(ab, &(struct rig_event){.id = "b", .retention_class = 3});
    rig_call_add(ba, &(struct rig_event){.id = "a", .retention_class = 1});
    log_fake_set(log1, LOG_FAKE_HOLD);
    log_fake_set(log3, LOG_FAKE_HOLD);
    start(&first, ab);
    start(&second, ba);
    (void)usleep(50000);
    log_fake_set(log1, LOG_FAKE_COMMIT);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    assert_ok(finish(&first));
    assert_ok(finish(&second));
    for (size_t i = 0; i < 102; i++) {
        assert_int_equal(ab->event[i].code, 0);
        assert_int_equal(ba->event[i].code, 0);
    }
    assert_int_equal(log_fake_count(log1) + log_fake_count(log3), 202);
    rig_call_free(ab);
    rig_call_free(ba);
}

static void test_ingest_faults__a_stored_copy_that_cannot_be_read_is_no_verdict(void **state) {
    (void)state;
    struct rig_call *call = call_of("e1", NULL);
    rig_call_send_ok(call, rig.client);
    log_fake_fail_reads(log3, 1);
    assert_status(rig_call_send(call, rig.client), CLOSED);
    assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
    expect_text(call->err.text, "eu/3y seq 0");
    rig_call_send_ok(call, rig.client);
    assert_true(call->event[0].duplicate);
    assert_int_equal(log_fake_count(log3), 1);
    rig_call_free(call);
}

/* ------------------------------------------------------------------ all or nothing */

static void test_ingest_faults__all_or_nothing_leaves_nothing_behind(void **state) {
    (void)state;
    const struct rig_event last[] = {
        {.id = "bad", .no_actor = true},              /* refused by admission */
        {.id = "e0", .message = "other bytes"},       /* by its twin in the batch */
        {.id = "bad", .message = "untaggable words"}, /* by the log */
    };
    const char *const word[] = {"actor", "e0", "513 tags"};
    for (size_t i = 0; i < 3; i++) {
        struct rig_call *call = rig_call_new();
        for (int k = 0; k < 5; k++) {
            char id[32];
            (void)snprintf(id, sizeof id, "e%d", k);
            rig_call_add(call,
                         &(struct rig_event){.id = id, .retention_class = k % 2 == 0 ? 1 : 3});
        }
        rig_call_add(call, &last[i]);
        assert_ok(stele_append_request_put_switches(&call->request, true, false, NULL));
        assert_status(rig_call_send(call, rig.client), INVALID);
        assert_int_equal(call->result.code, STELE_RPC_INVALID_ARGUMENT);
        expect_text(call->err.text, "event 5:");
        expect_text(call->err.text, word[i]);
        expect_text(call->err.text, "nothing was stored");
        rig_call_free(call);
    }
    assert_int_equal(log_fake_count(log1) + log_fake_count(log3), 0);
    /* And no identity stays claimed. */
    struct rig_call *call = call_of("e0", NULL);
    rig_call_send_ok(call, rig.client);
    assert_false(call->event[0].duplicate);
    rig_call_free(call);
}

static void test_ingest_faults__one_untaggable_event_sinks_itself_only(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = "e0"});
    rig_call_add(call, &(struct rig_event){.id = "e1", .message = "untaggable"});
    rig_call_add(call, &(struct rig_event){.id = "e1", .message = "untaggable"});
    rig_call_add(call, &(struct rig_event){.id = "e2"});
    rig_call_send_ok(call, rig.client);
    assert_int_equal(call->n, 4);
    assert_int_equal(call->event[0].code, 0);
    expect_result(call, 1, STELE_RPC_INVALID_ARGUMENT, "513 tags");
    expect_result(call, 2, STELE_RPC_INVALID_ARGUMENT, "513 tags");
    assert_int_equal(call->event[3].code, 0);
    assert_int_equal(call->event[3].seq, 1);
    rig_call_free(call);
}

static void test_ingest_faults__one_calls_event_is_no_reason_to_refuse_another(void **state) {
    (void)state;
    enum { CALLS = 48, ROUNDS = 8 }; /* as many as share batches again and again */
    static struct later later[CALLS];
    log_fake_set(log3, LOG_FAKE_PICKY);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CALLS; i++) {
            char id[32];
            (void)snprintf(id, sizeof id, "e%d-%d", round, i);
            start(&later[i], call_of(id, i % 8 == 0 ? LOG_FAKE_UNWANTED : NULL));
        }
        for (int i = 0; i < CALLS; i++) {
            assert_ok(finish(&later[i]));
            if (i % 8 == 0) {
                expect_result(later[i].call, 0, STELE_RPC_INVALID_ARGUMENT, LOG_FAKE_UNWANTED);
            } else {
                assert_int_equal(later[i].call->event[0].code, 0);
            }
            rig_call_free(later[i].call);
        }
    }
    assert_int_equal(log_fake_count(log3), ROUNDS * CALLS / 8 * 7);
}

/* ------------------------------------------------------------------ what is held */

static void test_ingest_faults__what_is_held_is_bounded(void **state) {
    (void)state;
    enum { CALLS = 40 }; /* of almost 4 MiB: 160 MiB, of which one client may have 96 held */
    static struct later later[CALLS];
    struct rig_call *other = call_of("other", NULL);
    struct stele_rpc_client *second = NULL;
    ingest_rig_stop(&rig);
    ingest_rig_start(&rig, &store, 1, true);
    rig.client = ingest_rig_client(&rig, "client");
    log_fake_set(log3, LOG_FAKE_HOLD);
    for (int i = 0; i < CALLS; i++) {
        struct rig_call *call = rig_call_new();
        for (int k = 0; k < 127; k++) {
            char id[32];
            (void)snprintf(id, sizeof id, "e%d-%d", i, k);
            rig_call_add(call, &(struct rig_event){.id = id, .padding_bytes = 32768});
        }
        start(&later[i], call);
    }
    struct stele_ingest_stats stats = {0};
    for (int i = 0; i < 20000 && log_fake_held(log3) + stats.busy < CALLS; i++) {
        (void)usleep(1000);
        stele_ingest_stats_of(rig.ingest, &stats);
    }
    assert_int_equal(log_fake_held(log3) + stats.busy, CALLS);
    assert_true(stats.busy >= 16);
    assert_true(log_fake_held(log3) >= 22);
    /* Another certificate has room: its event is looked at, and refused for what it is. */
    second = ingest_rig_client(&rig, "second");
    rig_call_send_ok(other, second);
    expect_result(other, 0, STELE_RPC_PERMISSION_DENIED, "second");
    stele_rpc_client_close(second);
    rig_call_free(other);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    size_t n_ok = 0;
    for (int i = 0; i < CALLS; i++) {
        stele_status st = finish(&later[i]);
        n_ok += st == STELE_OK;
        assert_true(st == STELE_OK || later[i].call->result.code == STELE_RPC_RESOURCE_EXHAUSTED);
        assert_true(st == STELE_OK || later[i].call->result.retry_after_ms == 100);
        assert_true(st == STELE_OK ||
                    strstr(later[i].call->err.text, "this certificate has") != NULL);
        rig_call_free(later[i].call);
    }
    assert_int_equal(n_ok, CALLS - stats.busy);
    assert_int_equal(log_fake_count(log3), n_ok * 127);
}

#define T(name) cmocka_unit_test_setup_teardown(test_ingest_faults__##name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_full_queue_refuses_the_call_with_a_delay),
        T(a_half_stored_request_answers_event_by_event),
        T(a_failed_commit_is_unavailable_and_forgotten),
        T(what_landed_after_all_is_a_duplicate),
        T(a_recovery_between_check_and_submit_stores_nothing_twice),
        T(a_second_copy_waits_for_the_first),
        T(a_second_copy_fails_with_the_first),
        T(two_requests_may_wait_for_each_other),
        T(a_stored_copy_that_cannot_be_read_is_no_verdict),
        T(all_or_nothing_leaves_nothing_behind),
        T(one_untaggable_event_sinks_itself_only),
        T(one_calls_event_is_no_reason_to_refuse_another),
        T(what_is_held_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
