/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "proto/event_filter.h"
#include "storage/cursor.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"
#include "tests/support/sample_log.h"

static struct stele_event_facts facts; /* too large for a stack */

static void map(const struct sample_event *event) {
    static stele_buf payload; /* facts borrow it */
    stele_buf_clear(&payload);
    sample_event_encode(event, &payload);
    assert_ok(stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, NULL));
}

static stele_view text(const char *s) {
    return stele_view_str(s);
}

/* A filter of one condition, made by `make`, against the mapped event. */
static bool holds(struct stele_event_filter *filter) {
    bool result = stele_event_filter_matches(filter, &facts, SAMPLE_TIME_US);
    stele_event_filter_done(filter);
    return result;
}

static void test_filter__an_empty_one_matches_everything(void **state) {
    (void)state;
    struct stele_event_filter f;
    static const struct sample_event event = {0};
    map(&event);
    stele_event_filter_init(&f);
    assert_true(holds(&f));
}

static void test_filter__strings_match_whole_values_of_their_field(void **state) {
    (void)state;
    static const struct sample_event event = {.actor = "u-1", .session = "s-1", .resource = "u-1x"};
    static const struct {
        stele_key_field field;
        const char *value;
        bool expected;
    } cases[] = {
        {STELE_KEY_ACTOR, "u-1", true},     {STELE_KEY_ACTOR, "u-", false},
        {STELE_KEY_ACTOR, "u-1x", false},   {STELE_KEY_ACTOR, "U-1", false},
        {STELE_KEY_SESSION, "s-1", true},   {STELE_KEY_SESSION, "u-1", false},
        {STELE_KEY_RESOURCE, "u-1x", true}, {STELE_KEY_SOURCE, "billing", true},
        {STELE_KEY_MODEL, "u-1", false},
    };
    map(&event);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stele_event_filter f;
        stele_event_filter_init(&f);
        assert_ok(stele_event_filter_add(&f, cases[i].field, text(cases[i].value), NULL));
        assert_true(stele_event_condition_is_indexed(&f.condition[0]));
        assert_true(holds(&f) == cases[i].expected);
    }
}

static void test_filter__all_conditions_must_hold(void **state) {
    (void)state;
    static const struct sample_event event = {.session = "s-1", .action = 5};
    map(&event);
    for (unsigned wrong = 0; wrong < 8; wrong++) {
        struct stele_event_filter f;
        stele_event_filter_init(&f);
        assert_ok(stele_event_filter_add(&f, STELE_KEY_ACTOR,
                                         text((wrong & 1) != 0 ? "u-2" : "u-1"), NULL));
        assert_ok(stele_event_filter_add(&f, STELE_KEY_SESSION,
                                         text((wrong & 2) != 0 ? "s-2" : "s-1"), NULL));
        assert_ok(
            stele_event_filter_add_number(&f, STELE_KEY_ACTION, (wrong & 4) != 0 ? 6 : 5, NULL));
        assert_true(holds(&f) == (wrong == 0));
    }
}

static void test_filter__success_is_the_absence_of_an_outcome_key(void **state) {
    (void)state;
    for (uint32_t outcome = 1; outcome <= 5; outcome++) {
        const struct sample_event event = {.outcome = outcome};
        map(&event);
        for (uint32_t asked = 1; asked <= 5; asked++) {
            struct stele_event_filter f;
            stele_event_filter_init(&f);
            assert_ok(stele_event_filter_add_number(&f, STELE_KEY_OUTCOME, asked, NULL));
            assert_true(stele_event_condition_is_indexed(&f.condition[0]) == (asked != 1));
            assert_true(holds(&f) == (asked == outcome));
        }
    }
    /* Only of outcomes: number 1 of another field has postings. */
    struct stele_event_filter f;
    stele_event_filter_init(&f);
    assert_ok(stele_event_filter_add_number(&f, STELE_KEY_ACTION, 1, NULL));
    assert_true(stele_event_condition_is_indexed(&f.condition[0]));
    stele_event_filter_done(&f);
}

static void test_filter__versions_match_with_their_id_only(void **state) {
    (void)state;
    static const struct sample_event event = {.resource = "data/a", .resource_version = "7"};
    static const struct {
        const char *id, *version;
        bool expected;
    } cases[] = {{"data/a", "7", true},
                 {"data/a", "8", false},
                 {"data/", "a7", false},
                 {"data/a7", "7", false}};
    map(&event);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stele_event_filter f;
        stele_event_filter_init(&f);
        assert_ok(stele_event_filter_add_version(&f, STELE_KEY_RESOURCE_VERSION, text(cases[i].id),
                                                 text(cases[i].version), NULL));
        assert_true(holds(&f) == cases[i].expected);
    }
}

static void test_filter__a_tenant_sees_its_own_events(void **state) {
    (void)state;
    static const struct sample_event event = {.tenant = "acme"};
    static const struct {
        const char *tenant;
        bool expected;
    } cases[] = {{"acme", true}, {"acm", false}, {"acme2", false}, {"", true}};
    map(&event);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stele_event_filter f;
        stele_event_filter_init(&f);
        assert_ok(stele_buf_append(&f.tenant, text(cases[i].tenant), NULL));
        assert_true(holds(&f) == cases[i].expected);
    }
}

static void test_filter__ranges_are_half_open(void **state) {
    (void)state;
    static const struct {
        uint64_t since, until, time;
        bool expected;
    } cases[] = {
        {0, UINT64_MAX, 5, true},
        {5, UINT64_MAX, 5, true},
        {6, UINT64_MAX, 5, false},
        {0, 5, 5, false},
        {0, 6, 5, true},
        {5, 6, 5, true},
        {5, 5, 5, false},
        {0, UINT64_MAX, UINT64_MAX, true},
        {0, UINT64_MAX - 1, UINT64_MAX - 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stele_event_filter f;
        memset(&facts, 0, sizeof facts);
        facts.time_unix_nano = cases[i].time;
        stele_event_filter_init(&f);
        f.since_unix_nano = cases[i].since;
        f.until_unix_nano = cases[i].until;
        assert_true(stele_event_filter_matches(&f, &facts, 77) == cases[i].expected);
        stele_event_filter_init(&f);
        f.logged_since_us = cases[i].since;
        f.logged_until_us = cases[i].until;
        assert_true(stele_event_filter_matches(&f, &facts, cases[i].time) == cases[i].expected);
    }
}

static void test_filter__the_event_time_is_compared_in_nanoseconds(void **state) {
    (void)state;
    const struct sample_event event = {.time_unix_nano = 1000001};
    struct stele_event_filter f;
    map(&event);
    stele_event_filter_init(&f);
    f.since_unix_nano = 1000001;
    f.until_unix_nano = 1000002;
    assert_true(holds(&f));
    f.since_unix_nano = 1000002;
    assert_false(holds(&f));
    stele_event_filter_init(&f);
    f.until_unix_nano = 1000001;
    assert_false(holds(&f));
}

static void test_filter__addresses_are_reduced_as_the_map_does(void **state) {
    (void)state;
    static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
    struct stele_event_filter f;
    memset(&facts, 0, sizeof facts);
    facts.n_keys = 1;
    facts.key[0] = (struct stele_event_key){STELE_KEY_CLIENT_IP, stele_view_of(mapped + 12, 4)};
    stele_event_filter_init(&f);
    assert_ok(stele_event_filter_add(&f, STELE_KEY_CLIENT_IP, stele_view_of(mapped, 16), NULL));
    assert_true(holds(&f));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_CLIENT_IP, stele_view_of(mapped + 12, 4), NULL));
    assert_true(holds(&f));
    assert_status(stele_event_filter_add(&f, STELE_KEY_CLIENT_IP, stele_view_of(mapped, 5), NULL),
                  INVALID);
}

static void test_filter__what_no_key_can_be_is_refused(void **state) {
    (void)state;
    static uint8_t zeros[1100];
    struct stele_event_filter f;
    stele_event_filter_init(&f);
    assert_status(stele_event_filter_add(&f, STELE_KEY_ACTOR, text(""), NULL), INVALID);
    assert_status(stele_event_filter_add(&f, STELE_KEY_ACTOR, stele_view_of(zeros, 1025), NULL),
                  INVALID);
    assert_status(stele_event_filter_add(&f, STELE_KEY_TENANT, text("acme"), NULL), INVALID);
    assert_status(stele_event_filter_add(&f, (stele_key_field)0, text("x"), NULL), INVALID);
    assert_status(stele_event_filter_add(&f, (stele_key_field)19, text("x"), NULL), INVALID);
    static const uint8_t one[4] = {0, 0, 0,
                                   1}; /* a number, and u16 length, id, version: but no string */
    static const uint8_t pair[4] = {0, 1, 'a', 'b'};
    assert_status(stele_event_filter_add(&f, STELE_KEY_ACTION, stele_view_of(one, 4), NULL),
                  INVALID);
    assert_status(stele_event_filter_add(&f, STELE_KEY_MODEL_VERSION, stele_view_of(pair, 4), NULL),
                  INVALID);
    assert_status(stele_event_filter_add(&f, STELE_KEY_DIGEST, text("\1"), NULL), INVALID);
    assert_status(stele_event_filter_add_number(&f, STELE_KEY_ACTION, 0, NULL), INVALID);
    assert_status(stele_event_filter_add_number(&f, STELE_KEY_ACTOR, 1, NULL), INVALID);
    assert_status(
        stele_event_filter_add_version(&f, STELE_KEY_MODEL_VERSION, text(""), text("1"), NULL),
        INVALID);
    assert_status(
        stele_event_filter_add_version(&f, STELE_KEY_MODEL_VERSION, text("m"), text(""), NULL),
        INVALID);
    assert_status(stele_event_filter_add_version(&f, STELE_KEY_MODEL, text("m"), text("1"), NULL),
                  INVALID);
    assert_status(stele_event_filter_add_version(&f, STELE_KEY_MODEL_VERSION,
                                                 stele_view_of(zeros, 1100), text("1"), NULL),
                  INVALID);
    assert_int_equal(f.n_conditions, 0);
    for (size_t i = 0; i < STELE_FILTER_CONDITIONS_MAX; i++) {
        assert_ok(stele_event_filter_add(&f, STELE_KEY_ACTOR, text("a"), NULL));
    }
    assert_status(stele_event_filter_add(&f, STELE_KEY_ACTOR, text("a"), NULL), LIMIT);
    stele_event_filter_done(&f);
    stele_event_filter_done(&f); /* an empty one */
}

static void test_filter__conditions_print_for_people(void **state) {
    (void)state;
    static const uint8_t digest[] = {1, 0xab, 0x01};
    static const uint8_t ip4[] = {192, 0, 2, 1};
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    static const uint8_t trace[16] = {0xff, 1, 2};
    static const char *const expected[] = {
        "actor = u-1",
        "event_type = 3",
        "resource_version = data/a, version 7",
        "client_ip = 192.0.2.1",
        "client_ip = 2001:db8:0:0:0:0:0:1",
        "digest = sha256:ab01",
        "correlation = ff010200000000000000000000000000",
        "correlation = sixteen letters!",
        "session = a\\x1b[2Jb",
        "session = caf\xc3\xa9",
        "session = \\xc2\\x9b1m",
        "session = \\xff",
        "session = a\\x7fb",
    };
    struct stele_event_filter f;
    stele_event_filter_init(&f);
    assert_ok(stele_event_filter_add(&f, STELE_KEY_ACTOR, text("u-1"), NULL));
    assert_ok(stele_event_filter_add_number(&f, STELE_KEY_EVENT_TYPE, 3, NULL));
    assert_ok(stele_event_filter_add_version(&f, STELE_KEY_RESOURCE_VERSION, text("data/a"),
                                             text("7"), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_CLIENT_IP, stele_view_of(ip4, 4), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_CLIENT_IP, stele_view_of(ip6, 16), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_DIGEST, stele_view_of(digest, 3), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_CORRELATION, stele_view_of(trace, 16), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_CORRELATION, text("sixteen letters!"), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_SESSION, text("a\033[2Jb"), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_SESSION, text("caf\xc3\xa9"), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_SESSION,
                                     text("\xc2\x9b"
                                          "1m"),
                                     NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_SESSION, text("\xff"), NULL));
    assert_ok(stele_event_filter_add(&f, STELE_KEY_SESSION, text("a\177b"), NULL));
    assert_int_equal(f.n_conditions, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < f.n_conditions; i++) {
        stele_buf out = STELE_BUF_EMPTY;
        assert_ok(stele_event_condition_print(&f.condition[i], &out, NULL));
        if (!stele_view_is(stele_view_buf(&out), expected[i])) {
            fail_msg("'%.*s', expected '%s'", (int)out.size, out.data, expected[i]);
        }
        stele_buf_done(&out);
    }
    stele_event_filter_done(&f);
}

/* Against the definition, in other words: for random keys and conditions over few values. */
static void test_filter__matches_as_its_definition_says(void **state) {
    (void)state;
    static const uint8_t values[4][4] = {{0, 0, 0, 1}, {0, 0, 0, 2}, {0, 0, 0, 3}, {1, 0, 0, 2}};
    struct rng rng = rng_start("event_filter");
    unsigned matched = 0;
    for (int round = 0; round < 20000; round++) {
        struct stele_event_filter f;
        memset(&facts, 0, sizeof(uint64_t) * 2);
        facts.tenant = text("t");
        facts.n_keys = (size_t)rng_below(&rng, 6);
        for (size_t i = 0; i < facts.n_keys; i++) {
            facts.key[i].field = (uint8_t)(3 + rng_below(&rng, 3));
            facts.key[i].value = stele_view_of(values[rng_below(&rng, 4)], 4);
        }
        stele_event_filter_init(&f);
        size_t n = (size_t)rng_below(&rng, 3);
        bool expected = true;
        for (size_t c = 0; c < n; c++) {
            uint8_t field = (uint8_t)(3 + rng_below(&rng, 3));
            const uint8_t *value = values[rng_below(&rng, 4)];
            unsigned equal = 0;
            unsigned of_field = 0;
            for (size_t i = 0; i < facts.n_keys; i++) {
                of_field += facts.key[i].field == field;
                equal +=
                    facts.key[i].field == field && memcmp(facts.key[i].value.data, value, 4) == 0;
            }
            bool success = field == STELE_KEY_OUTCOME && value[0] == 0 && value[3] == 1;
            expected = expected && (success ? of_field == 0 : equal > 0);
            assert_ok(stele_event_filter_add_number(&f, (stele_key_field)field,
                                                    stele_get_u32(value), NULL));
        }
        assert_true(stele_event_filter_matches(&f, &facts, 0) == expected);
        matched += expected;
        stele_event_filter_done(&f);
    }
    assert_in_range(matched, 2000, 18000); /* both answers were common */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter__an_empty_one_matches_everything),
        cmocka_unit_test(test_filter__strings_match_whole_values_of_their_field),
        cmocka_unit_test(test_filter__all_conditions_must_hold),
        cmocka_unit_test(test_filter__success_is_the_absence_of_an_outcome_key),
        cmocka_unit_test(test_filter__versions_match_with_their_id_only),
        cmocka_unit_test(test_filter__a_tenant_sees_its_own_events),
        cmocka_unit_test(test_filter__ranges_are_half_open),
        cmocka_unit_test(test_filter__the_event_time_is_compared_in_nanoseconds),
        cmocka_unit_test(test_filter__addresses_are_reduced_as_the_map_does),
        cmocka_unit_test(test_filter__what_no_key_can_be_is_refused),
        cmocka_unit_test(test_filter__conditions_print_for_people),
        cmocka_unit_test(test_filter__matches_as_its_definition_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
