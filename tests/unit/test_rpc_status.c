/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_status.c: statuses as codes, the rich error's bytes, clean texts. */
#include "tests/support/cmocka.h"

#include "proto/rpc_details.h"
#include "proto/rpc_status.h"

#include <string.h>

static void test_rpc_status__codes_are_the_documented_ones(void **state) {
    (void)state;
    static const struct {
        stele_status status;
        const char *code;
    } map[] = {
        {STELE_OK, "OK"},
        {STELE_INVALID, "INVALID_ARGUMENT"},
        {STELE_LIMIT, "INVALID_ARGUMENT"},
        {STELE_DENIED, "PERMISSION_DENIED"},
        {STELE_NOT_FOUND, "NOT_FOUND"},
        {STELE_EXISTS, "ALREADY_EXISTS"},
        {STELE_BUSY, "RESOURCE_EXHAUSTED"},
        {STELE_IO, "UNAVAILABLE"},
        {STELE_NO_SPACE, "UNAVAILABLE"},
        {STELE_NO_MEMORY, "UNAVAILABLE"},
        {STELE_CLOSED, "UNAVAILABLE"},
        {STELE_UNSUPPORTED, "UNIMPLEMENTED"},
        {STELE_CORRUPT, "DATA_LOSS"},
        {STELE_UNVERIFIED, "DATA_LOSS"},
        {STELE_BUG, "INTERNAL"},
        {STELE_END, "INTERNAL"},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        assert_string_equal(stele_rpc_code_name(stele_rpc_code_of(map[i].status)), map[i].code);
    }
}

/* What a client sees again after the way through a code. */
static void test_rpc_status__clients_see_what_to_do(void **state) {
    (void)state;
    assert_status(stele_rpc_status_of(STELE_RPC_OK), OK);
    assert_status(stele_rpc_status_of(STELE_RPC_UNAVAILABLE), CLOSED);
    assert_status(stele_rpc_status_of(STELE_RPC_DEADLINE_EXCEEDED), CLOSED);
    assert_status(stele_rpc_status_of(STELE_RPC_RESOURCE_EXHAUSTED), BUSY);
    assert_status(stele_rpc_status_of(STELE_RPC_UNAUTHENTICATED), DENIED);
    assert_status(stele_rpc_status_of(STELE_RPC_DATA_LOSS), CORRUPT);
    for (uint32_t code = 0; code < 100; code++) {
        assert_true((stele_rpc_status_of(code) == STELE_OK) == (code == 0));
    }
    assert_string_equal(stele_rpc_code_name(99), "UNKNOWN");
}

static void test_rpc_details__bytes_are_google_rpc_status(void **state) {
    (void)state;
    /* As written by the reference implementation for code 8, "full", RetryInfo 1.5 s. */
    static const char expected[] = "\x08\x08\x12\x04"
                                   "full\x1a\x36\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
                                   "\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01";
    stele_buf out = STELE_BUF_EMPTY;
    assert_ok(stele_rpc_details_encode(8, "full", 1500, &out, NULL));
    assert_int_equal(out.size, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.size);
    assert_int_equal(stele_rpc_details_retry_ms(stele_view_buf(&out)), 1500);
    /* Cut anywhere, it is no hint or the same one, never something else. */
    for (size_t size = 0; size < out.size; size++) {
        uint32_t ms = stele_rpc_details_retry_ms(stele_view_of(out.data, size));
        assert_int_equal(ms, 0);
    }
    stele_buf_clear(&out);
    assert_ok(stele_rpc_details_encode(8, "full", 0, &out, NULL));
    assert_int_equal(stele_rpc_details_retry_ms(stele_view_buf(&out)), 0);
    stele_buf_done(&out);
}

static void test_rpc_details__delays_round_trip(void **state) {
    (void)state;
    static const uint32_t delays[] = {1, 999, 1000, 1001, 60000, 86400000};
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        stele_buf out = STELE_BUF_EMPTY;
        assert_ok(stele_rpc_details_encode(14, "", delays[i], &out, NULL));
        assert_int_equal(stele_rpc_details_retry_ms(stele_view_buf(&out)), delays[i]);
        stele_buf_done(&out);
    }
}

static void assert_clean(const char *text, const char *expected) {
    char copy[64];
    (void)strcpy(copy, text);
    stele_rpc_text_clean(copy);
    assert_string_equal(copy, expected);
}

static void test_rpc_details__texts_become_utf8(void **state) {
    (void)state;
    assert_clean("", "");
    assert_clean("plain ~", "plain ~");
    assert_clean("a\nb\x7f", "a?b?");
    assert_clean("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82",
                 "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82");
    assert_clean("\xc3", "?");                /* cut */
    assert_clean("\xe2\x82", "??");           /* cut */
    assert_clean("\xc0\x80", "??");           /* overlong NUL */
    assert_clean("\xed\xa0\x80", "???");      /* surrogate */
    assert_clean("\xf4\x90\x80\x80", "????"); /* over U+10FFFF */
    assert_clean("\x80\xff", "??");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_status__codes_are_the_documented_ones),
        cmocka_unit_test(test_rpc_status__clients_see_what_to_do),
        cmocka_unit_test(test_rpc_details__bytes_are_google_rpc_status),
        cmocka_unit_test(test_rpc_details__delays_round_trip),
        cmocka_unit_test(test_rpc_details__texts_become_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
