/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/base64.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

static void test_base64__vectors_of_rfc_4648(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff\xfe", "+//+"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        stele_buf text = STELE_BUF_EMPTY;
        stele_buf back = STELE_BUF_EMPTY;
        assert_ok(stele_base64_encode(stele_view_str(pairs[i][0]), &text, NULL));
        assert_true(stele_view_is(stele_view_buf(&text), pairs[i][1]));
        assert_ok(stele_base64_decode(stele_view_buf(&text), &back, NULL));
        assert_true(stele_view_is(stele_view_buf(&back), pairs[i][0]));
        stele_buf_done(&back);
        stele_buf_done(&text);
    }
}

static void test_base64__other_forms_are_refused_and_append_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "Zg",       "Zg=",      "Z",     "Z===",     "====",     "=",    "Zm8",     /* padding */
        "Zh==",     "Zm9=",     "Zv==",  "Zm//Zm+=",                                /* spare bits */
        "Zm9v\n",   "Zm9 ",     " Zm9v", "Zm9v\r\n", "Zm9-",     "Zm9_", "Zm9\x80", /* alphabet */
        "Zg==Zg==", "Zm8=Zm9v", "Zg=v",  "=Zm8",     "Zm9v====",                    /* inside */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        stele_buf out = STELE_BUF_EMPTY;
        stele_err err;
        assert_ok(stele_buf_append(&out, stele_view_str("kept"), NULL));
        if (stele_base64_decode(stele_view_str(bad[i]), &out, &err) != STELE_INVALID) {
            fail_msg("'%s' must be refused", bad[i]);
        }
        assert_true(stele_view_is(stele_view_buf(&out), "kept"));
        stele_buf_done(&out);
    }
}

static void test_base64__random_bytes_go_there_and_back(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    for (size_t size = 0; size < 400; size++) {
        uint8_t bytes[400];
        stele_buf text = STELE_BUF_EMPTY;
        stele_buf back = STELE_BUF_EMPTY;
        rng_bytes(&rng, bytes, size);
        assert_ok(stele_base64_encode(stele_view_of(bytes, size), &text, NULL));
        assert_int_equal(text.size, (size + 2) / 3 * 4);
        assert_ok(stele_base64_decode(stele_view_buf(&text), &back, NULL));
        assert_true(stele_view_equal(stele_view_buf(&back), stele_view_of(bytes, size)));
        stele_buf_done(&back);
        stele_buf_done(&text);
    }
}

/* Of all texts of 4 characters over a small alphabet, those that decode are
 * those encoding gives. */
static void test_base64__what_decodes_is_what_is_encoded(void **state) {
    (void)state;
    static const char set[] = "AQZw/=+\n";
    size_t accepted = 0;
    for (unsigned n = 0; n < 8 * 8 * 8 * 8; n++) {
        char text[4] = {set[n & 7], set[(n >> 3) & 7], set[(n >> 6) & 7], set[n >> 9]};
        stele_buf bytes = STELE_BUF_EMPTY;
        stele_buf again = STELE_BUF_EMPTY;
        if (stele_base64_decode(stele_view_of(text, 4), &bytes, NULL) == STELE_OK) {
            accepted++;
            assert_ok(stele_base64_encode(stele_view_buf(&bytes), &again, NULL));
            assert_true(stele_view_equal(stele_view_buf(&again), stele_view_of(text, 4)));
        }
        stele_buf_done(&again);
        stele_buf_done(&bytes);
    }
    /* 6 digits. Full: 6^4. One '=': 6^2 and a third digit that is a multiple of 4 (A, Q, w). Two:
     * the second a multiple of 16 (A, Q, w). */
    assert_int_equal(accepted, 6 * 6 * 6 * 6 + 6 * 6 * 3 + 6 * 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64__vectors_of_rfc_4648),
        cmocka_unit_test(test_base64__other_forms_are_refused_and_append_nothing),
        cmocka_unit_test(test_base64__random_bytes_go_there_and_back),
        cmocka_unit_test(test_base64__what_decodes_is_what_is_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
