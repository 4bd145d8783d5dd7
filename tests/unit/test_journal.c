/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_journal.c: what is written of rejected input, where, how much of it, and that
 * every rejection is counted whatever the log does. */
#include "ingest/journal.h"
#include "storage/monotonic.h"
#include "tests/support/cmocka.h"
#include "tests/support/ingest_rig.h"
#include "tests/support/log_fake.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stele/v1/event.pb-c.h"

static struct stele_store *store[2];
static struct stele_log *system_log[2];
static struct stele_work_pool *pool;
static struct stele_journal *journal;
static const struct stele_rpc_peer peer = {.authenticated = true, .common_name = "collector"};

static int setup(void **state) {
    (void)state;
    store[0] = log_fake_open("eu", RIG_NOW_US);
    store[1] = log_fake_open("us", RIG_NOW_US);
    for (size_t i = 0; i < 2; i++) {
        system_log[i] = stele_store_log(store[i], STELE_SYSTEM_LOG);
    }
    assert_ok(stele_work_pool_new(1, &pool, NULL));
    assert_ok(stele_journal_new(store, 2, pool, &journal, NULL));
    return 0;
}

static void end_journal(void) {
    stele_journal_end(journal);
    stele_work_pool_free(pool);
    stele_journal_free(journal);
}

static int teardown(void **state) {
    (void)state;
    log_fake_close(store[0]);
    log_fake_close(store[1]);
    return 0;
}

static struct stele_rejection rejection_of(size_t region, const char *reason) {
    return (struct stele_rejection){
        .peer = &peer,
        .bytes = stele_view_str("abc"),
        .code = 3,
        .reason = reason,
        .region = region,
        .claimed = {stele_view_str("e-1"), stele_view_str("acme"), stele_view_str("eu")},
    };
}

/* What is stored passes the schema, and is read here by protobuf-c. */
static Stele__V1__Event *event_at(size_t region, size_t seq) {
    stele_view payload = log_fake_payload(system_log[region], seq);
    struct stele_event_head head;
    stele_err err = {0};
    if (stele_event_check(payload, &head, &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    Stele__V1__Event *event = stele__v1__event__unpack(NULL, payload.size, payload.data);
    assert_non_null(event);
    assert_string_equal(event->tenant, "system");
    assert_string_equal(event->region, region == 0 ? "eu" : "us");
    assert_int_equal(event->event_type, STELE__V1__EVENT_TYPE__EVENT_TYPE_AUDIT_CONTROL);
    assert_int_equal(event->retention_class, STELE__V1__RETENTION_CLASS__RETENTION_CLASS_7Y);
    assert_int_equal(event->audit_control->kind,
                     STELE__V1__CONTROL_KIND__CONTROL_KIND_INGEST_REJECTED);
    assert_true(event->time_unix_nano == RIG_NOW_US * 1000);
    return event;
}

static const char *attribute(const Stele__V1__Event *event, const char *key) {
    for (size_t i = 0; i < event->n_attributes; i++) {
        if (strcmp(event->attributes[i]->key, key) == 0) {
            return event->attributes[i]->s;
        }
    }
    return NULL;
}

static int64_t number(const Stele__V1__Event *event, const char *key) {
    for (size_t i = 0; i < event->n_attributes; i++) {
        if (strcmp(event->attributes[i]->key, key) == 0) {
            return event->attributes[i]->i;
        }
    }
    return -1;
}

/* How many rejections the log speaks of, one by one and in sums. */
static uint64_t told(size_t region) {
    uint64_t n = 0;
    for (size_t i = 0; i < log_fake_count(system_log[region]); i++) {
        Stele__V1__Event *event = event_at(region, i);
        n += event->audit_control->events;
        stele__v1__event__free_unpacked(event, NULL);
    }
    return n;
}

static void wait_count(size_t region, size_t n) {
    for (int i = 0; i < 20000 && log_fake_count(system_log[region]) < n; i++) {
        (void)usleep(500);
    }
    assert_int_equal(log_fake_count(system_log[region]), n);
}

static void test_journal__a_rejection_says_who_why_and_what(void **state) {
    (void)state;
    struct stele_rejection rejection = rejection_of(1, "actor.id: missing \xff\n");
    stele_journal_note(journal, &rejection);
    assert_int_equal(log_fake_count(system_log[1]), 0);
    stele_journal_flush(journal);
    wait_count(1, 1);
    Stele__V1__Event *event = event_at(1, 0);
    assert_string_equal(event->actor->id, "cn:collector");
    assert_string_equal(event->correlation_id, "e-1");
    assert_int_equal(event->outcome, STELE__V1__OUTCOME__OUTCOME_FAILURE);
    assert_int_equal(event->action, STELE__V1__ACTION__ACTION_REJECT);
    assert_string_equal(event->source->service, "steled");
    assert_int_equal(event->status->grpc_code, 3);
    assert_string_equal(event->status->code, "INVALID_ARGUMENT");
    assert_string_equal(attribute(event, "stele.rejected.reason"), "actor.id: missing ??");
    assert_string_equal(attribute(event, "stele.rejected.sha256"),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(attribute(event, "stele.rejected.event_id"), "e-1");
    assert_string_equal(attribute(event, "stele.rejected.tenant"), "acme");
    assert_int_equal(number(event, "stele.rejected.bytes"), 3);
    stele__v1__event__free_unpacked(event, NULL);
    rejection.code = 7;
    rejection.bytes.size = 0; /* an empty input is an input */
    stele_journal_note(journal, &rejection);
    stele_journal_flush(journal);
    wait_count(1, 2);
    event = event_at(1, 1);
    assert_int_equal(event->outcome, STELE__V1__OUTCOME__OUTCOME_DENIED);
    assert_int_equal(number(event, "stele.rejected.bytes"), 0);
    stele__v1__event__free_unpacked(event, NULL);
    end_journal();
    assert_int_equal(log_fake_count(system_log[0]), 0);
}

static void test_journal__foreign_input_leaves_nothing_of_itself(void **state) {
    (void)state;
    struct stele_rejection rejection =
        rejection_of(STELE_INGEST_NO_REGION, "region 'ap' is not served here");
    stele_journal_note(journal, &rejection);
    stele_journal_flush(journal);
    wait_count(0, 1);
    Stele__V1__Event *event = event_at(0, 0);
    assert_null(attribute(event, "stele.rejected.event_id"));
    assert_null(attribute(event, "stele.rejected.tenant"));
    assert_string_equal(event->correlation_id, "");
    assert_non_null(attribute(event, "stele.rejected.sha256"));
    stele__v1__event__free_unpacked(event, NULL);
    end_journal();
    assert_int_equal(log_fake_count(system_log[1]), 0);
}

static void test_journal__a_second_has_a_hundred_and_a_sum(void **state) {
    (void)state;
    struct stele_rejection rejection = rejection_of(0, "bad");
    uint64_t start_us = stele_monotonic_us();
    for (int i = 0; i < 5000; i++) {
        stele_journal_note(journal, &rejection);
        if (i % 7 == 0) {
            stele_journal_flush(journal);
        }
    }
    stele_journal_flush(journal);
    bool in_one_second = stele_monotonic_us() - start_us < 900000;
    (void)usleep(50000);
    if (in_one_second) {
        assert_int_equal(log_fake_count(system_log[0]), 100);
    }
    for (int i = 0; i < 4000 && told(0) < 5000; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(told(0), 5000);
    assert_true(!in_one_second || log_fake_count(system_log[0]) == 101);
    (void)usleep(20000);
    stele_journal_note(journal, &rejection); /* a new second */
    stele_journal_flush(journal);
    end_journal();
    assert_int_equal(told(0), 5001);
}

static void test_journal__a_failing_log_loses_no_count(void **state) {
    (void)state;
    struct stele_rejection rejection = rejection_of(0, "bad");
    const log_fake_mode modes[] = {LOG_FAKE_BUSY, LOG_FAKE_FAIL, LOG_FAKE_CLOSED};
    for (size_t m = 0; m < 3; m++) {
        log_fake_set(system_log[0], modes[m]);
        for (int i = 0; i < 200; i++) {
            stele_journal_note(journal, &rejection);
        }
        stele_journal_flush(journal);
    }
    (void)usleep(1200000); /* a summary fails as well */
    log_fake_set(system_log[0], LOG_FAKE_COMMIT);
    for (int i = 0; i < 4000 && told(0) < 600; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(told(0), 600);
    end_journal();
    assert_int_equal(told(0), 600);
}

static void test_journal__a_hanging_log_holds_a_bounded_number(void **state) {
    (void)state;
    struct stele_rejection rejection = rejection_of(0, "bad");
    log_fake_set(system_log[0], LOG_FAKE_HOLD);
    for (int i = 0; i < 3000; i++) {
        stele_journal_note(journal, &rejection);
        stele_journal_flush(journal);
    }
    assert_true(log_fake_held(system_log[0]) <= 200);
    log_fake_set(system_log[0], LOG_FAKE_COMMIT);
    end_journal(); /* waits for the log, writes the sum */
    assert_int_equal(told(0), 3000);
}

static void test_journal__ids_are_distinct(void **state) {
    (void)state;
    struct stele_rejection rejection = rejection_of(0, "bad");
    for (int i = 0; i < 50; i++) {
        stele_journal_note(journal, &rejection);
    }
    stele_journal_flush(journal);
    wait_count(0, 50);
    char id[50][65];
    for (size_t i = 0; i < 50; i++) {
        Stele__V1__Event *event = event_at(0, i);
        (void)snprintf(id[i], sizeof id[i], "%s", event->event_id);
        stele__v1__event__free_unpacked(event, NULL);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(id[i], id[k]);
        }
    }
    end_journal();
}

#define T(name) cmocka_unit_test_setup_teardown(test_journal__##name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_rejection_says_who_why_and_what),    T(foreign_input_leaves_nothing_of_itself),
        T(a_second_has_a_hundred_and_a_sum),     T(a_failing_log_loses_no_count),
        T(a_hanging_log_holds_a_bounded_number), T(ids_are_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
