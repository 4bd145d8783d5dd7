/* SPDX-License-Identifier: Apache-2.0 */
/* The signed-note vectors that others made: notes to open and to refuse,
 * verifier keys, signatures. */
#include <string.h>

#include "storage/note.h"
#include "tests/support/cmocka.h"
#include "tests/support/vectors.h"

#define KEYS_MAX 8

/* The names of the verified keys must be exactly the expected ones. */
static void check_verified(const json_t *c, const struct stele_vkey *keys, const bool *verified,
                           size_t n_keys) {
    const json_t *expected = json_object_get(c, "verified");
    size_t n = 0;
    for (size_t k = 0; k < n_keys; k++) {
        n += verified[k];
    }
    assert_int_equal(n, json_array_size(expected));
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < n_keys; k++) {
            const char *name = json_string_value(json_array_get(expected, i));
            found = found || (verified[k] && strcmp(keys[k].name, name) == 0);
        }
        assert_true(found);
    }
}

/* One case gives a key of the cosignature type, which cannot be had as a key at all:
 * no known key. */
static size_t load_keys(const json_t *c, struct stele_vkey keys[KEYS_MAX]) {
    const json_t *vkeys = json_object_get(c, "vkeys");
    size_t n = 0;
    assert_true(json_array_size(vkeys) <= KEYS_MAX);
    for (size_t k = 0; k < json_array_size(vkeys); k++) {
        stele_view text = stele_view_str(json_string_value(json_array_get(vkeys, k)));
        if (strcmp(vectors_text(c, "name"), "cosignature-key-type") == 0) {
            assert_status(stele_vkey_parse(text, &keys[n], NULL), INVALID);
        } else {
            assert_ok(stele_vkey_parse(text, &keys[n++], NULL));
        }
    }
    return n;
}

static void check_note(const json_t *c) {
    struct stele_vkey keys[KEYS_MAX];
    bool verified[KEYS_MAX] = {false};
    size_t n_keys = load_keys(c, keys);
    stele_buf note = STELE_BUF_EMPTY;
    vectors_base64(json_object_get(c, "note_base64"), &note);
    stele_view text = {NULL, 0};
    stele_err err;
    stele_status st = stele_note_open(stele_view_buf(&note), keys, n_keys, &text, verified, &err);
    bool verify = strcmp(vectors_text(c, "expect"), "verify") == 0;
    if ((st == STELE_OK) != verify || (!verify && st != STELE_INVALID && st != STELE_UNVERIFIED)) {
        fail_msg("%s: %s, but the vector says %s", vectors_text(c, "name"), stele_status_name(st),
                 vectors_text(c, "expect"));
    }
    if (verify) {
        assert_true(stele_view_is(text, vectors_text(c, "text")));
        check_verified(c, keys, verified, n_keys);
    } else {
        assert_true(err.status == st && strlen(err.text) > 0);
    }
    stele_buf_done(&note);
}

static void test_vectors__notes(void **state) {
    (void)state;
    json_t *file = vectors_load("note/notes.json");
    const json_t *cases = json_object_get(file, "cases");
    assert_int_equal(json_array_size(cases), 76);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        check_note(json_array_get(cases, i));
    }
    json_decref(file);
}

static void test_vectors__verifier_keys(void **state) {
    (void)state;
    json_t *file = vectors_load("note/vkeys.json");
    const json_t *cases = json_object_get(file, "cases");
    assert_int_equal(json_array_size(cases), 20);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const json_t *vkey = json_object_get(c, "vkey");
        struct stele_vkey key;
        stele_view text = stele_view_of(json_string_value(vkey), json_string_length(vkey));
        stele_status st = stele_vkey_parse(text, &key, NULL);
        if (!vectors_bool(c, "valid")) {
            if (st != STELE_INVALID) {
                fail_msg("'%s' must be INVALID (%s)", json_string_value(vkey),
                         vectors_text(c, "why"));
            }
            continue;
        }
        assert_ok(st);
        stele_buf again = STELE_BUF_EMPTY;
        assert_ok(stele_vkey_print(&key, &again, NULL));
        assert_true(stele_view_equal(stele_view_buf(&again), text));
        stele_buf_done(&again);
    }
    json_decref(file);
}

static void check_signature(const json_t *c) {
    stele_buf seed = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf vkey = STELE_BUF_EMPTY;
    stele_buf expected = STELE_BUF_EMPTY;
    struct stele_signer *signer = NULL;
    struct stele_vkey key;
    uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
    const char *text = vectors_text(c, "text");
    vectors_hex(json_object_get(c, "seed_hex"), &seed);
    assert_int_equal(seed.size, 32);
    assert_ok(stele_signer_sodium_of_seed(seed.data, &signer, NULL));
    signer->ops->public_key(signer, public_key);
    assert_ok(stele_vkey_of(vectors_text(c, "name"), public_key, &key, NULL));
    assert_ok(stele_vkey_print(&key, &vkey, NULL));
    assert_true(stele_view_is(stele_view_buf(&vkey), vectors_text(c, "vkey")));
    assert_ok(stele_note_sign(stele_view_str(text), vectors_text(c, "name"), signer, &note, NULL));
    assert_ok(stele_buf_printf(&expected, NULL, "%s\n%s", text, vectors_text(c, "signature_line")));
    assert_true(stele_view_equal(stele_view_buf(&note), stele_view_buf(&expected)));
    stele_signer_free(signer);
    stele_buf_done(&expected);
    stele_buf_done(&vkey);
    stele_buf_done(&note);
    stele_buf_done(&seed);
}

static void test_vectors__signatures(void **state) {
    (void)state;
    json_t *file = vectors_load("note/sign.json");
    const json_t *cases = json_object_get(file, "cases");
    assert_int_equal(json_array_size(cases), 2);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        check_signature(json_array_get(cases, i));
    }
    json_decref(file);
}

int main(void) {
    vectors_need();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors__notes),
        cmocka_unit_test(test_vectors__verifier_keys),
        cmocka_unit_test(test_vectors__signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
