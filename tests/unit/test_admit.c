/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_admit.c: each reason to refuse an event, with its status and its words; and the
 * rest. */
#include "ingest/admit.h"
#include "tests/support/cmocka.h"
#include "tests/support/ingest_rig.h"
#include "tests/support/log_fake.h"

#include <string.h>

static struct stele_store *store[2];
static struct stele_access *access_list;
static struct stele_admission admission;
static const struct stele_rpc_peer collector = {.authenticated = true, .common_name = "collector"};

static int setup(void **state) {
    (void)state;
    static const char *const every[] = {"*"};
    static const char *const eu[] = {"eu"};
    static const char *const tenants[] = {"acme", "system"};
    const struct stele_grant grants[] = {{"cn:collector", every, 1, tenants, 2, STELE_MAY_APPEND},
                                         {"cn:collector", eu, 1, every, 1, STELE_MAY_APPEND}};
    store[0] = log_fake_open("eu", RIG_NOW_US);
    store[1] = log_fake_open("us", RIG_NOW_US);
    assert_ok(stele_access_new(grants, 2, &access_list, NULL));
    admission = (struct stele_admission){store, 2, access_list, 3};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stele_access_free(access_list);
    log_fake_close(store[0]);
    log_fake_close(store[1]);
    return 0;
}

struct outcome {
    stele_buf payload;
    struct stele_admitted admitted;
    size_t region;
    stele_err err;
    stele_status st;
};

static struct outcome admit(const struct rig_event *event, struct stele_admit_memo *memo) {
    struct outcome o = {.region = 99};
    struct stele_admit_memo fresh = {0};
    rig_event_put(event, &o.payload);
    o.st = stele_admit(&admission, &collector, stele_view_buf(&o.payload),
                       memo == NULL ? &fresh : memo, &o.admitted, &o.region, &o.err);
    return o;
}

static void expect(const struct rig_event *event, const char *log) {
    struct outcome o = admit(event, NULL);
    if (o.st != STELE_OK) {
        fail_msg("%s", o.err.text);
    }
    assert_string_equal(stele_log_full_name(o.admitted.log), log);
    assert_int_equal(o.region, o.admitted.region);
    assert_string_equal(stele_store_region(store[o.region]),
                        event->region == NULL ? "eu" : event->region);
    stele_buf_done(&o.payload);
}

static void refuse(const struct rig_event *event, const char *status, size_t region,
                   const char *word) {
    struct outcome o = admit(event, NULL);
    assert_string_equal(stele_status_name(o.st), status);
    assert_true(o.region == region);
    if (strstr(o.err.text, word) == NULL) {
        fail_msg("'%s' is not in: %s", word, o.err.text);
    }
    stele_buf_done(&o.payload);
}

static void test_admit__events_go_to_the_log_of_their_class(void **state) {
    (void)state;
    expect(&(struct rig_event){.id = "e"}, "eu/3y");
    expect(&(struct rig_event){.id = "e", .retention_class = 1}, "eu/1y");
    expect(&(struct rig_event){.id = "e", .retention_class = 7, .region = "us"}, "us/7y");
    expect(&(struct rig_event){.id = "e", .tenant = "anyone"}, "eu/3y");
}

static void test_admit__bad_events_are_refused_with_their_reason(void **state) {
    (void)state;
    refuse(&(struct rig_event){.id = "e", .no_actor = true}, "INVALID", 0, "actor");
    refuse(&(struct rig_event){.id = "e", .region = "ap"}, "INVALID", STELE_INGEST_NO_REGION,
           "region 'ap' is not served here; this server serves: eu, us");
    refuse(&(struct rig_event){.id = "e", .tenant = "other", .region = "us"}, "DENIED", 1,
           "tenant 'other'");
    refuse(&(struct rig_event){.id = "e", .tenant = "system"}, "DENIED", 0, "server's own");
    refuse(&(struct rig_event){.id = "e", .retention_class = 5}, "NOT_FOUND", 0, "5 years");
}

static void test_admit__five_minutes_ahead_is_the_limit(void **state) {
    (void)state;
    const uint64_t now_ns = RIG_NOW_US * 1000;
    const uint64_t max_ns = UINT64_C(300000000000);
    expect(&(struct rig_event){.id = "e", .time_unix_nano = now_ns + max_ns}, "eu/3y");
    refuse(&(struct rig_event){.id = "e", .time_unix_nano = now_ns + max_ns + 1}, "INVALID", 0,
           "300 s ahead");
    refuse(&(struct rig_event){.id = "e", .time_unix_nano = UINT64_MAX}, "INVALID", 0, "clock");
    expect(&(struct rig_event){.id = "e", .time_unix_nano = 1}, "eu/3y"); /* late is fine */
}

static void test_admit__a_remembered_decision_is_only_for_its_like(void **state) {
    (void)state;
    struct stele_admit_memo memo = {0};
    const uint64_t future = RIG_NOW_US * 1000 + UINT64_C(400000000000);
    struct outcome o[7] = {
        admit(&(struct rig_event){.id = "e"}, &memo),
        admit(&(struct rig_event){.id = "f"}, &memo),
        admit(&(struct rig_event){.id = "g", .time_unix_nano = future}, &memo),
        admit(&(struct rig_event){.id = "h", .region = "us"}, &memo),
        admit(&(struct rig_event){.id = "i", .region = "us", .tenant = "other"}, &memo),
        admit(&(struct rig_event){.id = "j", .region = "us", .retention_class = 1}, &memo),
        admit(&(struct rig_event){.id = "k", .tenant = "system"}, &memo),
    };
    const char *const log[7] = {"eu/3y", "eu/3y", NULL, "us/3y", NULL, "us/1y", NULL};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(o[i].st == STELE_OK, log[i] != NULL);
        assert_true(o[i].region == (i < 3 || i == 6 ? 0u : 1u));
        if (log[i] != NULL) {
            assert_string_equal(stele_log_full_name(o[i].admitted.log), log[i]);
        }
    }
    for (size_t i = 0; i < 7; i++) {
        stele_buf_done(&o[i].payload);
    }
}

/* The clock is not read for every event, and none is refused for that. */
static void test_admit__the_clock_is_read_again_for_what_seems_ahead(void **state) {
    (void)state;
    struct stele_admit_memo memo = {0};
    const uint64_t limit_ns = RIG_NOW_US * 1000 + UINT64_C(300000000000);
    const struct rig_event event = {.id = "e", .time_unix_nano = limit_ns + 1};
    struct outcome before = admit(&(struct rig_event){.id = "d"}, &memo);
    struct outcome early = admit(&event, &memo);
    log_fake_set_clock(store[0], RIG_NOW_US + 1);
    struct outcome late = admit(&event, &memo);
    assert_ok(before.st);
    assert_status(early.st, INVALID);
    assert_ok(late.st);
    log_fake_set_clock(store[0], RIG_NOW_US);
    stele_buf_done(&before.payload);
    stele_buf_done(&early.payload);
    stele_buf_done(&late.payload);
}

static void test_admit__a_peek_reads_what_it_can(void **state) {
    (void)state;
    struct stele_claimed claimed;
    stele_buf payload = STELE_BUF_EMPTY;
    rig_event_put(&(struct rig_event){.id = "e-1", .no_actor = true}, &payload);
    stele_admit_peek(stele_view_buf(&payload), &claimed);
    assert_true(stele_view_is(claimed.event_id, "e-1"));
    assert_true(stele_view_is(claimed.tenant, "acme"));
    assert_true(stele_view_is(claimed.region, "eu"));
    stele_admit_peek(stele_view_of(payload.data, 12), &claimed); /* cut after the id */
    assert_true(stele_view_is(claimed.event_id, "e-1"));
    assert_int_equal(claimed.region.size, 0);
    /* Two regions: it is kept in neither. */
    assert_ok(stele_buf_append(&payload, stele_view_str("\x22\x02us"), NULL));
    stele_admit_peek(stele_view_buf(&payload), &claimed);
    assert_int_equal(claimed.region.size, 0);
    stele_buf_clear(&payload);
    rig_event_put(&(struct rig_event){.id = "no spaces", .tenant = "UPPER", .region = "e\xff"},
                  &payload);
    stele_admit_peek(stele_view_buf(&payload), &claimed);
    assert_int_equal(claimed.event_id.size + claimed.tenant.size + claimed.region.size, 0);
    stele_admit_peek(stele_view_of(NULL, 0), &claimed);
    assert_int_equal(claimed.region.size, 0);
    stele_buf_done(&payload);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admit__events_go_to_the_log_of_their_class),
        cmocka_unit_test(test_admit__bad_events_are_refused_with_their_reason),
        cmocka_unit_test(test_admit__five_minutes_ahead_is_the_limit),
        cmocka_unit_test(test_admit__a_remembered_decision_is_only_for_its_like),
        cmocka_unit_test(test_admit__the_clock_is_read_again_for_what_seems_ahead),
        cmocka_unit_test(test_admit__a_peek_reads_what_it_can),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
