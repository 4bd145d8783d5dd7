/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_key_question.c: the question for a key of an event is judged to be a condition on
 * just that key, for every key that can be asked for.
 */
#include <string.h>

#include "proto/event_map.h"
#include "query/filter.h"
#include "tests/support/cmocka.h"
#include "tests/support/event_gen.h"
#include "tools/key_question.h"

#define EVENTS 2000

static struct stele_event_facts facts;

/* True if it could be asked for. */
static bool check_key(const struct stele_event_key *key) {
    struct stele_search_request request = {.region = stele_view_str("eu-test")};
    static struct stele_query_question question;
    stele_buf scratch = STELE_BUF_EMPTY;
    bool askable = false;
    stele_err err = {.text = ""};
    assert_ok(stele_key_question(key, &request.filter, &scratch, &askable, NULL));
    if (askable) {
        stele_query_question_init(&question);
        stele_status st = stele_query_question_of(&request, &question, &err);
        if (st != STELE_OK) {
            fail_msg("key of field %u: %s", key->field, err.text);
        }
        const struct stele_event_filter *filter = &question.asked.filter;
        if (key->field == STELE_KEY_TENANT) {
            assert_int_equal(filter->n_conditions, 0);
        } else {
            assert_int_equal(filter->n_conditions, 1);
            assert_int_equal(filter->condition[0].field, key->field);
            assert_true(stele_view_equal(stele_view_buf(&filter->condition[0].value), key->value));
        }
        stele_query_question_done(&question);
    }
    stele_buf_done(&scratch);
    return askable;
}

static void test_key_question__asks_for_just_that_key(void **state) {
    (void)state;
    struct rng rng = rng_start("key_question");
    struct stele_gen_options options = {.region = "eu-test", .n_actors = 20};
    size_t asked[32] = {0};
    size_t not_asked[32] = {0};
    for (int i = 0; i < EVENTS; i++) {
        stele_buf payload = STELE_BUF_EMPTY;
        if (i % 2 == 0) {
            stele_gen_event(&rng, &options, &payload);
        } else { /* texts of any length that may be */
            stele_gen_any_event(&rng, 1 + (uint32_t)rng_below(&rng, 12), &payload);
        }
        assert_ok(stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, NULL));
        for (size_t k = 0; k < facts.n_keys; k++) {
            size_t *counts = check_key(&facts.key[k]) ? asked : not_asked;
            counts[facts.key[k].field]++;
        }
        stele_buf_done(&payload);
    }
    static const stele_key_field askable[] = {
        STELE_KEY_ACTOR,  STELE_KEY_RESOURCE,   STELE_KEY_EVENT_TYPE,       STELE_KEY_ACTION,
        STELE_KEY_MODEL,  STELE_KEY_SESSION,    STELE_KEY_CORRELATION,      STELE_KEY_OUTCOME,
        STELE_KEY_TENANT, STELE_KEY_CREDENTIAL, STELE_KEY_RESOURCE_VERSION, STELE_KEY_SOURCE,
    };
    for (size_t i = 0; i < sizeof askable / sizeof askable[0]; i++) {
        if (asked[askable[i]] == 0 || not_asked[askable[i]] > 0) {
            fail_msg("keys of field %u: %zu asked, %zu not", askable[i], asked[askable[i]],
                     not_asked[askable[i]]);
        }
    }
}

static void test_key_question__what_no_question_asks_for_is_said(void **state) {
    (void)state;
    static const struct stele_event_key keys[] = {
        {STELE_KEY_DATA_SUBJECT, {(const uint8_t *)"s", 1}},
        {STELE_KEY_CORRELATION, {(const uint8_t *)"trace:1", 7}},
        {STELE_KEY_RESOURCE_VERSION, {(const uint8_t *)"\0\1a", 3}},
        {STELE_KEY_RESOURCE_VERSION, {(const uint8_t *)"\0", 1}},
        {STELE_KEY_ACTION, {(const uint8_t *)"\0\1", 2}},
        {31, {(const uint8_t *)"x", 1}},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_false(check_key(&keys[i]));
    }
    /* Bytes that are no text: a trace id. */
    static const struct stele_event_key trace = {
        STELE_KEY_CORRELATION, {(const uint8_t *)"\xff\1\2\3\4\5\6\7\xff\1\2\3\4\5\6\7", 16}};
    assert_true(check_key(&trace));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_question__asks_for_just_that_key),
        cmocka_unit_test(test_key_question__what_no_question_asks_for_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
