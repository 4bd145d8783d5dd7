/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/unit/test_vectors_note.c does not reach: our own limits, and several keys
 * at a time. */
#include <string.h>

#include "storage/note.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#define TEXT "log\nline\n"

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

/* Appends the signature line of another signature of the same text. */
static void add_signature(const char *name, struct stele_signer *signer, stele_buf *note) {
    stele_buf other = STELE_BUF_EMPTY;
    size_t skipped = sizeof TEXT; /* the text and the empty line */
    assert_ok(stele_note_sign(stele_view_str(TEXT), name, signer, &other, NULL));
    assert_ok(stele_buf_append(
        note, stele_view_slice(stele_view_buf(&other), skipped, other.size - skipped), NULL));
    stele_buf_done(&other);
}

static void test_note__what_is_signed_opens(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(1);
    struct stele_signer *b = signer_of(2);
    struct stele_vkey keys[3] = {vkey_of("c", a), vkey_of("a", a), vkey_of("b", b)};
    bool verified[3] = {true, false, false};
    stele_buf note = STELE_BUF_EMPTY;
    stele_view text;
    assert_ok(stele_note_sign(stele_view_str(TEXT), "a", a, &note, NULL));
    add_signature("b", b, &note);
    assert_ok(stele_note_open(stele_view_buf(&note), keys, 3, &text, verified, NULL));
    assert_true(stele_view_is(text, TEXT));
    assert_true(!verified[0] && verified[1] && verified[2]);
    assert_ok(stele_note_open(stele_view_buf(&note), keys + 1, 1, &text, NULL, NULL));
    stele_signer_free(b);
    stele_signer_free(a);
    stele_buf_done(&note);
}

static void test_note__a_refused_note_leaves_the_outputs_as_they_were(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(1);
    struct stele_signer *b = signer_of(2);
    struct stele_vkey keys[2] = {vkey_of("a", a), vkey_of("b", a)}; /* b's is the wrong key */
    bool verified[2] = {true, true};
    stele_view text = {NULL, 77};
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    keys[1].key_id = vkey_of("b", b).key_id;
    assert_ok(stele_note_sign(stele_view_str(TEXT), "a", a, &note, NULL));
    add_signature("b", b, &note);
    assert_status(stele_note_open(stele_view_buf(&note), keys, 2, &text, verified, &err),
                  UNVERIFIED);
    assert_non_null(strstr(err.text, "'b'"));
    assert_true(text.size == 77 && verified[0] && verified[1]);
    assert_status(stele_note_open(stele_view_buf(&note), NULL, 0, &text, NULL, &err), UNVERIFIED);
    stele_signer_free(b);
    stele_signer_free(a);
    stele_buf_done(&note);
}

/* Two known keys may share name and id, which is 32 bits long: the one that does not fit is not
 * ignored. */
static void test_note__a_failing_signature_is_not_outweighed_by_a_good_one(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(1);
    struct stele_signer *b = signer_of(2);
    stele_buf note = STELE_BUF_EMPTY;
    stele_view text;
    assert_ok(stele_note_sign(stele_view_str(TEXT), "a", a, &note, NULL));
    for (size_t good = 0; good < 2; good++) {
        struct stele_vkey keys[2];
        keys[good] = vkey_of("a", a);
        keys[1 - good] = vkey_of("a", b);
        keys[1 - good].key_id = keys[good].key_id;
        assert_status(stele_note_open(stele_view_buf(&note), keys, 2, &text, NULL, NULL),
                      UNVERIFIED);
    }
    stele_signer_free(b);
    stele_signer_free(a);
    stele_buf_done(&note);
}

static void test_note__every_flipped_bit_is_refused(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(3);
    struct stele_vkey key = vkey_of("example.org/log", a);
    stele_buf note = STELE_BUF_EMPTY;
    assert_ok(stele_note_sign(stele_view_str(TEXT), key.name, a, &note, NULL));
    for (size_t bit = 0; bit < 8 * note.size; bit++) {
        stele_view text;
        note.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(stele_note_open(stele_view_buf(&note), &key, 1, &text, NULL, NULL),
                             STELE_OK);
        note.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    stele_signer_free(a);
    stele_buf_done(&note);
}

static void test_note__a_hundred_signature_lines_are_read_and_no_more(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(1);
    struct stele_vkey key = vkey_of("a", a);
    stele_buf note = STELE_BUF_EMPTY;
    stele_view text;
    assert_ok(stele_note_sign(stele_view_str(TEXT), "a", a, &note, NULL));
    for (size_t i = 1; i < STELE_NOTE_SIGNATURES_MAX; i++) {
        assert_ok(stele_buf_append(&note, stele_view_str("\xe2\x80\x94 x AAAAAAA=\n"), NULL));
    }
    assert_ok(stele_note_open(stele_view_buf(&note), &key, 1, &text, NULL, NULL));
    assert_ok(stele_buf_append(&note, stele_view_str("\xe2\x80\x94 x AAAAAAA=\n"), NULL));
    assert_status(stele_note_open(stele_view_buf(&note), &key, 1, &text, NULL, NULL), INVALID);
    stele_signer_free(a);
    stele_buf_done(&note);
}

static void test_note__a_note_over_a_mebibyte_is_refused(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(1);
    struct stele_vkey key = vkey_of("a", a);
    size_t size = STELE_NOTE_BYTES_MAX - 1024;
    uint8_t *text = stele_alloc(size + 1, 1);
    stele_buf note = STELE_BUF_EMPTY;
    stele_view opened;
    assert_non_null(text);
    memset(text, 'x', size + 1);
    text[size] = text[size - 1] = '\n';
    assert_status(stele_note_sign(stele_view_of(text, size + 1), "a", a, &note, NULL), INVALID);
    assert_ok(stele_note_sign(stele_view_of(text, size), "a", a, &note, NULL));
    assert_ok(stele_note_open(stele_view_buf(&note), &key, 1, &opened, NULL, NULL));
    while (note.size <= STELE_NOTE_BYTES_MAX) {
        assert_ok(stele_buf_append(&note, stele_view_str("\xe2\x80\x94 x AAAAAAA=\n"), NULL));
    }
    assert_status(stele_note_open(stele_view_buf(&note), &key, 1, &opened, NULL, NULL), INVALID);
    stele_free(text);
    stele_signer_free(a);
    stele_buf_done(&note);
}

static void test_note__texts_and_names_that_no_note_can_have_are_not_signed(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "no newline",
                                        "tab\t\n",
                                        "\xff\n",
                                        "cr\r\n",
                                        "\xc0\xaf\n",
                                        "\xe0\x80\xaf\n",
                                        "\xf0\x80\x80\xaf\n",
                                        "\xf4\x90\x80\x80\n",
                                        "\xe2\x80\n",
                                        "\x80\n"};
    static const char *const names[] = {
        "", "a b", "a+b", "a\n", "a\tb", "nbsp\xc2\xa0", "\xe2\x80\xa8", "\xed\xa0\x80", "cut\xc3"};
    struct stele_signer *a = signer_of(1);
    stele_buf note = STELE_BUF_EMPTY;
    assert_ok(stele_buf_append(&note, stele_view_str("kept"), NULL));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_status(stele_note_sign(stele_view_str(texts[i]), "a", a, &note, NULL), INVALID);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_status(stele_note_sign(stele_view_str(TEXT), names[i], a, &note, NULL), INVALID);
        assert_false(stele_note_name_valid(stele_view_str(names[i])));
    }
    assert_true(stele_view_is(stele_view_buf(&note), "kept"));
    assert_true(stele_note_name_valid(stele_view_str("example.org/\xc3\xa4")));
    stele_signer_free(a);
    stele_buf_done(&note);
}

static void test_note__names_have_up_to_255_bytes(void **state) {
    (void)state;
    struct stele_signer *a = signer_of(1);
    char name[257];
    uint8_t public_key[32];
    struct stele_vkey key;
    struct stele_vkey back;
    stele_buf text = STELE_BUF_EMPTY;
    a->ops->public_key(a, public_key);
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_status(stele_vkey_of(name, public_key, &key, NULL), INVALID);
    name[255] = '\0';
    assert_ok(stele_vkey_of(name, public_key, &key, NULL));
    assert_ok(stele_vkey_print(&key, &text, NULL));
    assert_ok(stele_vkey_parse(stele_view_buf(&text), &back, NULL));
    assert_string_equal(back.name, name);
    assert_memory_equal(back.public_key, key.public_key, 32);
    stele_signer_free(a);
    stele_buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note__what_is_signed_opens),
        cmocka_unit_test(test_note__a_refused_note_leaves_the_outputs_as_they_were),
        cmocka_unit_test(test_note__a_failing_signature_is_not_outweighed_by_a_good_one),
        cmocka_unit_test(test_note__every_flipped_bit_is_refused),
        cmocka_unit_test(test_note__a_hundred_signature_lines_are_read_and_no_more),
        cmocka_unit_test(test_note__a_note_over_a_mebibyte_is_refused),
        cmocka_unit_test(test_note__texts_and_names_that_no_note_can_have_are_not_signed),
        cmocka_unit_test(test_note__names_have_up_to_255_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
