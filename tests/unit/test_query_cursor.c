/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_cursor.c: a cursor is taken back only as it was given, for the same
 * question, from the same client, in the same region; every other one is refused with its own
 * words.
 */
#include <stdio.h>
#include <string.h>

#include "query/cursor.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

static const struct stele_rpc_peer auditor = {.authenticated = true, .common_name = "auditor"};

static struct stele_query_question question_of(const char *tenant) {
    struct stele_query_question question;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.region, stele_view_str("eu"), NULL));
    assert_ok(stele_buf_append(&question.asked.filter.tenant, stele_view_str(tenant), NULL));
    return question;
}

static struct stele_cursor_binding binding_of(const char *tenant,
                                              const struct stele_rpc_peer *peer) {
    struct stele_query_question question = question_of(tenant);
    struct stele_cursor_binding binding = {.secret = {1, 2, 3}};
    assert_ok(stele_cursor_bind(&question, peer, &binding, NULL));
    stele_query_question_done(&question);
    return binding;
}

static const struct stele_places some_places = {3,
                                                {{"1y", 0}, {"3y", 12345678901u}, {"system", 7}}};

static void assert_refused(const struct stele_cursor_binding *binding, stele_view cursor,
                           const char *status, const char *says) {
    struct stele_places places;
    stele_err err = {0};
    stele_status st = stele_cursor_decode(binding, cursor, &places, &err);
    assert_string_equal(stele_status_name(st), status);
    if (strstr(err.text, says) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
}

static void test_cursor__the_keyed_hash_is_rfc_2104(void **state) {
    (void)state;
    /* RFC 4231, test cases 1 and 2. */
    static const struct {
        const char *key, *message, *mac;
    } cases[] = {
        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
         "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t mac[32];
        char hex[65];
        stele_cursor__hmac(stele_view_str(cases[i].key), stele_view_str(cases[i].message), mac);
        stele_hex_encode(stele_view_of(mac, sizeof mac), hex);
        assert_string_equal(hex, cases[i].mac);
    }
}

static void test_cursor__what_was_given_is_taken_back(void **state) {
    (void)state;
    struct rng rng = rng_start("cursor");
    struct stele_cursor_binding binding = binding_of("acme", &auditor);
    for (int round = 0; round < 300; round++) {
        struct stele_places given = {0};
        struct stele_places taken;
        stele_buf text = STELE_BUF_EMPTY;
        given.n = (size_t)rng_below(&rng, STELE_QUERY_LOGS_MAX + 1);
        for (size_t i = 0; i < given.n; i++) {
            (void)snprintf(given.at[i].log, sizeof given.at[i].log, "log-%02zu%.*s", i,
                           (int)rng_below(&rng, 27), "abcdefghijklmnopqrstuvwxyz");
            given.at[i].seq = rng_next(&rng) >> rng_below(&rng, 64);
        }
        assert_ok(stele_cursor_encode(&binding, &given, &text, NULL));
        assert_true(text.size <= STELE_QUERY_CURSOR_BYTES_MAX);
        for (size_t i = 0; i < text.size; i++) { /* safe in a URL and on a command line */
            assert_non_null(
                memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                       text.data[i], 64));
        }
        assert_ok(stele_cursor_decode(&binding, stele_view_buf(&text), &taken, NULL));
        assert_int_equal(taken.n, given.n);
        for (size_t i = 0; i < given.n; i++) {
            assert_string_equal(taken.at[i].log, given.at[i].log);
            assert_true(taken.at[i].seq == given.at[i].seq);
        }
        stele_buf_done(&text);
    }
}

/* Flips every bit, cuts at every length, appends. */
static void test_cursor__no_changed_one_is_taken(void **state) {
    (void)state;
    struct stele_cursor_binding binding = binding_of("acme", &auditor);
    struct stele_places places;
    stele_buf text = STELE_BUF_EMPTY;
    assert_ok(stele_cursor_encode(&binding, &some_places, &text, NULL));
    for (size_t i = 0; i < text.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(
                stele_cursor_decode(&binding, stele_view_buf(&text), &places, NULL), STELE_OK);
            text.data[i] ^= (uint8_t)(1u << bit);
        }
        assert_int_not_equal(
            stele_cursor_decode(&binding, stele_view_of(text.data, i), &places, NULL), STELE_OK);
    }
    assert_ok(stele_buf_append(&text, stele_view_str("A"), NULL));
    assert_int_not_equal(stele_cursor_decode(&binding, stele_view_buf(&text), &places, NULL),
                         STELE_OK);
    stele_buf_done(&text);
}

static void test_cursor__each_refusal_has_its_own_words(void **state) {
    (void)state;
    static const struct stele_rpc_peer other = {.authenticated = true, .common_name = "other"};
    static const struct stele_rpc_peer named = {
        .authenticated = true, .common_name = "auditor", .n_sans = 1, .san = {"host"}};
    struct stele_cursor_binding mine = binding_of("acme", &auditor);
    struct stele_cursor_binding question = binding_of("globex", &auditor);
    struct stele_cursor_binding client = binding_of("acme", &other);
    struct stele_cursor_binding san = binding_of("acme", &named);
    struct stele_cursor_binding region = mine;
    stele_buf text = STELE_BUF_EMPTY;
    region.secret[31] ^= 1;
    assert_ok(stele_cursor_encode(&mine, &some_places, &text, NULL));
    assert_refused(&question, stele_view_buf(&text), "INVALID", "belongs to another question");
    assert_refused(&client, stele_view_buf(&text), "DENIED", "given to another client");
    assert_refused(&san, stele_view_buf(&text), "DENIED", "given to another client");
    assert_refused(&region, stele_view_buf(&text), "DENIED", "its keyed hash does not hold");
    assert_refused(&mine, stele_view_str("hello"), "INVALID", "not one of this server's");
    assert_refused(&mine, stele_view_str("AQ=="), "INVALID", "not base64url");
    assert_refused(&mine, stele_view_str("AAAA"), "INVALID", "too short, or of another version");
    stele_buf_done(&text);
}

static void test_cursor__the_limit_is_not_part_of_the_question_the_order_is(void **state) {
    (void)state;
    struct stele_query_question question = question_of("acme");
    struct stele_cursor_binding plain = {0};
    struct stele_cursor_binding limited = {0};
    struct stele_cursor_binding down = {0};
    assert_ok(stele_cursor_bind(&question, &auditor, &plain, NULL));
    question.asked.limit = 5;
    assert_ok(stele_cursor_bind(&question, &auditor, &limited, NULL));
    question.descending = true;
    assert_ok(stele_cursor_bind(&question, &auditor, &down, NULL));
    assert_memory_equal(plain.question, limited.question, sizeof plain.question);
    assert_memory_not_equal(plain.question, down.question, sizeof plain.question);
    assert_int_equal(question.asked.limit, 5);
    stele_query_question_done(&question);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cursor__the_keyed_hash_is_rfc_2104),
        cmocka_unit_test(test_cursor__what_was_given_is_taken_back),
        cmocka_unit_test(test_cursor__no_changed_one_is_taken),
        cmocka_unit_test(test_cursor__each_refusal_has_its_own_words),
        cmocka_unit_test(test_cursor__the_limit_is_not_part_of_the_question_the_order_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
