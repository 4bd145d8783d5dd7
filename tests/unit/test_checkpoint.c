/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/checkpoint.h"
#include "tests/support/cmocka.h"

#define ORIGIN "example.org/eu-1/models"
#define ROOT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

static struct stele_checkpoint checkpoint_of(const char *origin, uint64_t size) {
    struct stele_checkpoint c = {.size_leaves = size};
    memcpy(c.origin, origin, strlen(origin));
    for (uint8_t i = 0; i < 32; i++) {
        c.root[i] = (uint8_t)(i + 1);
    }
    return c;
}

static struct stele_signer *signer_of(uint8_t seed_byte) {
    uint8_t seed[32];
    struct stele_signer *signer = NULL;
    memset(seed, seed_byte, sizeof seed);
    assert_ok(stele_signer_sodium_of_seed(seed, &signer, NULL));
    return signer;
}

static struct stele_vkey vkey_of(const char *name, struct stele_signer *signer) {
    struct stele_vkey key;
    uint8_t public_key[32];
    signer->ops->public_key(signer, public_key);
    assert_ok(stele_vkey_of(name, public_key, &key, NULL));
    return key;
}

static void test_checkpoint__is_three_lines(void **state) {
    (void)state;
    struct stele_checkpoint c = checkpoint_of(ORIGIN, 1234567);
    struct stele_checkpoint back;
    stele_buf text = STELE_BUF_EMPTY;
    assert_ok(stele_checkpoint_print(&c, &text, NULL));
    assert_true(stele_view_is(stele_view_buf(&text), ORIGIN "\n1234567\n" ROOT "\n"));
    assert_ok(stele_checkpoint_parse(stele_view_buf(&text), &back, NULL));
    assert_memory_equal(&back, &c, sizeof c);
    stele_buf_done(&text);
}

static void test_checkpoint__sizes_up_to_2_to_64_are_read(void **state) {
    (void)state;
    struct stele_checkpoint c;
    assert_ok(
        stele_checkpoint_parse(stele_view_str("a\n18446744073709551615\n" ROOT "\n"), &c, NULL));
    assert_true(c.size_leaves == UINT64_MAX);
    assert_ok(stele_checkpoint_parse(stele_view_str("a\n0\n" ROOT "\n"), &c, NULL));
    assert_true(c.size_leaves == 0);
}

static void test_checkpoint__other_texts_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "a\n",
        "a\n1\n",
        "a\n1\n" ROOT, /* lines missing */
        "a\n1\n" ROOT "\nextension\n",
        "a\n1\n" ROOT "\n\n",
        "\na\n1\n" ROOT "\n", /* lines too many */
        "\n1\n" ROOT "\n",
        "a b\n1\n" ROOT "\n",
        "a+b\n1\n" ROOT "\n",
        " a\n1\n" ROOT "\n", /* origin */
        "a\n\n" ROOT "\n",
        "a\n01\n" ROOT "\n",
        "a\n00\n" ROOT "\n",
        "a\n+1\n" ROOT "\n",
        "a\n-1\n" ROOT "\n",
        "a\n 1\n" ROOT "\n",
        "a\n1 \n" ROOT "\n",
        "a\n0x1\n" ROOT "\n",
        "a\n1e3\n" ROOT "\n",
        "a\n18446744073709551616\n" ROOT "\n",
        "a\n99999999999999999999\n" ROOT "\n",
        "a\n100000000000000000000\n" ROOT "\n",
        "a\n1\r\n" ROOT "\n", /* size */
        "a\n1\n\n",
        "a\n1\nAQID\n",
        "a\n1\n" ROOT ROOT "\n",
        "a\n1\n" ROOT " \n",
        "a\n1\nAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB=\n",
        "a\n1\nAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stele_checkpoint c = checkpoint_of("kept", 5);
        stele_err err;
        if (stele_checkpoint_parse(stele_view_str(bad[i]), &c, &err) != STELE_INVALID) {
            fail_msg("case %zu must be refused: %s", i, bad[i]);
        }
        assert_true(c.size_leaves == 5 && strcmp(c.origin, "kept") == 0);
    }
}

static void test_checkpoint__an_origin_that_is_no_key_name_is_not_written(void **state) {
    (void)state;
    stele_buf text = STELE_BUF_EMPTY;
    struct stele_checkpoint c = checkpoint_of("two\nlines", 1);
    assert_status(stele_checkpoint_print(&c, &text, NULL), INVALID);
    c.origin[0] = '\0';
    assert_status(stele_checkpoint_print(&c, &text, NULL), INVALID);
    assert_int_equal(text.size, 0);
    stele_buf_done(&text);
}

static void test_checkpoint__signed_by_its_origin_opens(void **state) {
    (void)state;
    struct stele_signer *signer = signer_of(7);
    struct stele_vkey keys[2] = {vkey_of("witness", signer), vkey_of(ORIGIN, signer)};
    struct stele_checkpoint c = checkpoint_of(ORIGIN, 42);
    struct stele_checkpoint back;
    stele_buf note = STELE_BUF_EMPTY;
    assert_ok(stele_checkpoint_sign(&c, signer, &note, NULL));
    assert_ok(stele_checkpoint_open(stele_view_buf(&note), keys, 2, &back, NULL));
    assert_memory_equal(&back, &c, sizeof c);
    assert_status(stele_checkpoint_open(stele_view_buf(&note), keys, 1, &back, NULL), UNVERIFIED);
    note.data[sizeof ORIGIN] ^= 1; /* the first digit of the size */
    assert_status(stele_checkpoint_open(stele_view_buf(&note), keys, 2, &back, NULL), UNVERIFIED);
    stele_signer_free(signer);
    stele_buf_done(&note);
}

static void test_checkpoint__signed_by_another_name_is_unverified(void **state) {
    (void)state;
    struct stele_signer *signer = signer_of(7);
    struct stele_vkey keys[2] = {vkey_of("witness", signer), vkey_of(ORIGIN, signer)};
    struct stele_checkpoint c = checkpoint_of(ORIGIN, 42);
    struct stele_checkpoint back = checkpoint_of("kept", 5);
    stele_buf text = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    assert_ok(stele_checkpoint_print(&c, &text, NULL));
    assert_ok(stele_note_sign(stele_view_buf(&text), "witness", signer, &note, NULL));
    assert_status(stele_checkpoint_open(stele_view_buf(&note), keys, 2, &back, &err), UNVERIFIED);
    assert_non_null(strstr(err.text, ORIGIN));
    assert_true(back.size_leaves == 5);
    stele_signer_free(signer);
    stele_buf_done(&note);
    stele_buf_done(&text);
}

static void test_checkpoint__a_signed_text_that_is_none_is_invalid(void **state) {
    (void)state;
    struct stele_signer *signer = signer_of(7);
    struct stele_vkey key = vkey_of(ORIGIN, signer);
    struct stele_checkpoint back;
    stele_buf note = STELE_BUF_EMPTY;
    assert_ok(stele_note_sign(stele_view_str(ORIGIN "\n1\n" ROOT "\nmore\n"), ORIGIN, signer, &note,
                              NULL));
    assert_status(stele_checkpoint_open(stele_view_buf(&note), &key, 1, &back, NULL), INVALID);
    stele_signer_free(signer);
    stele_buf_done(&note);
}

static void test_checkpoint__longer_than_16_kib_is_refused(void **state) {
    (void)state;
    struct stele_signer *signer = signer_of(7);
    struct stele_vkey key = vkey_of(ORIGIN, signer);
    struct stele_checkpoint c = checkpoint_of(ORIGIN, 42);
    stele_buf note = STELE_BUF_EMPTY;
    char line[301];
    memset(line, 'A', 300);
    line[300] = '\0';
    assert_ok(stele_checkpoint_sign(&c, signer, &note, NULL));
    while (note.size + 310 <= STELE_CHECKPOINT_BYTES_MAX) {
        assert_ok(stele_buf_printf(&note, NULL, "\xe2\x80\x94 x %s\n", line));
    }
    assert_ok(stele_checkpoint_open(stele_view_buf(&note), &key, 1, &c, NULL));
    assert_ok(stele_buf_printf(&note, NULL, "\xe2\x80\x94 x %s\n", line));
    assert_ok(stele_buf_printf(&note, NULL, "\xe2\x80\x94 x %s\n", line));
    assert_status(stele_checkpoint_open(stele_view_buf(&note), &key, 1, &c, NULL), INVALID);
    stele_signer_free(signer);
    stele_buf_done(&note);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint__is_three_lines),
        cmocka_unit_test(test_checkpoint__sizes_up_to_2_to_64_are_read),
        cmocka_unit_test(test_checkpoint__other_texts_are_refused),
        cmocka_unit_test(test_checkpoint__an_origin_that_is_no_key_name_is_not_written),
        cmocka_unit_test(test_checkpoint__signed_by_its_origin_opens),
        cmocka_unit_test(test_checkpoint__signed_by_another_name_is_unverified),
        cmocka_unit_test(test_checkpoint__a_signed_text_that_is_none_is_invalid),
        cmocka_unit_test(test_checkpoint__longer_than_16_kib_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
