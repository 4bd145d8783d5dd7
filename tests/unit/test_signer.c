/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/signer.h"
#include "tests/support/cmocka.h"

struct place {
    char folder[64];
    char path[96];
};

static int set_up(void **state) {
    static struct place place;
    (void)snprintf(place.folder, sizeof place.folder, "/tmp/stele-signer-XXXXXX");
    if (mkdtemp(place.folder) == NULL) {
        return 1;
    }
    (void)snprintf(place.path, sizeof place.path, "%s/key", place.folder);
    *state = &place;
    return 0;
}

static int tear_down(void **state) {
    const struct place *place = *state;
    (void)unlink(place->path);
    return rmdir(place->folder);
}

static void write_file(const char *path, const char *text, size_t size, mode_t mode) {
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void test_signer__a_created_key_is_private_and_opens_again(void **state) {
    const struct place *place = *state;
    struct stele_signer *made = NULL;
    struct stele_signer *opened = NULL;
    uint8_t a[32];
    uint8_t b[32];
    uint8_t signature[64];
    struct stat about;
    assert_ok(stele_signer_sodium_create(place->path, &made, NULL));
    assert_int_equal(stat(place->path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(about.st_size, 65);
    assert_ok(stele_signer_sodium_open(place->path, &opened, NULL));
    made->ops->public_key(made, a);
    opened->ops->public_key(opened, b);
    assert_memory_equal(a, b, 32);
    assert_ok(made->ops->sign(made, stele_view_str("message"), signature, NULL));
    assert_ok(stele_signature_check(b, stele_view_str("message"), signature, NULL));
    stele_signer_free(opened);
    stele_signer_free(made);
}

static void test_signer__an_existing_key_is_not_replaced(void **state) {
    const struct place *place = *state;
    struct stele_signer *signer = NULL;
    write_file(place->path, "precious", 8, 0600);
    assert_status(stele_signer_sodium_create(place->path, &signer, NULL), EXISTS);
    assert_null(signer);
    char text[9] = {0};
    int fd = open(place->path, O_RDONLY);
    assert_int_equal(read(fd, text, 8), 8);
    assert_int_equal(close(fd), 0);
    assert_string_equal(text, "precious");
}

static void test_signer__two_created_keys_differ(void **state) {
    const struct place *place = *state;
    struct stele_signer *one = NULL;
    struct stele_signer *two = NULL;
    uint8_t a[32];
    uint8_t b[32];
    assert_ok(stele_signer_sodium_create(place->path, &one, NULL));
    assert_int_equal(unlink(place->path), 0);
    assert_ok(stele_signer_sodium_create(place->path, &two, NULL));
    one->ops->public_key(one, a);
    two->ops->public_key(two, b);
    assert_memory_not_equal(a, b, 32);
    stele_signer_free(two);
    stele_signer_free(one);
}

#define SEED_HEX "0000000000000000000000000000000000000000000000000000000000000000"

static void test_signer__a_file_others_can_use_is_denied(void **state) {
    const struct place *place = *state;
    static const mode_t modes[] = {0640, 0620, 0610, 0604, 0602, 0601, 0666};
    struct stele_signer *signer = NULL;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        write_file(place->path, SEED_HEX "\n", 65, modes[i]);
        assert_status(stele_signer_sodium_open(place->path, &signer, NULL), DENIED);
    }
    write_file(place->path, SEED_HEX "\n", 65, 0400);
    assert_ok(stele_signer_sodium_open(place->path, &signer, NULL));
    stele_signer_free(signer);
}

static void test_signer__files_that_are_no_key_are_refused(void **state) {
    const struct place *place = *state;
    static const char *const bad[] = {
        "",           "\n",        SEED_HEX, SEED_HEX "\n\n", SEED_HEX "0\n", SEED_HEX "\r",
        "g" SEED_HEX, " " SEED_HEX};
    struct stele_signer *signer = NULL;
    stele_err err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(place->path, bad[i], strlen(bad[i]), 0600);
        assert_status(stele_signer_sodium_open(place->path, &signer, &err), INVALID);
        assert_null(strstr(err.text, SEED_HEX)); /* a key never stands in a message */
    }
    assert_int_equal(unlink(place->path), 0);
    assert_status(stele_signer_sodium_open(place->path, &signer, NULL), NOT_FOUND);
    assert_status(stele_signer_sodium_open(place->folder, &signer, NULL), INVALID);
    assert_status(stele_signer_sodium_create("/nonexistent/folder/key", &signer, &err), IO);
    assert_null(signer);
}

/* RFC 8032 section 7.1, test 2. */
static void test_signer__signs_as_rfc_8032(void **state) {
    (void)state;
    uint8_t seed[32];
    uint8_t public_key[32];
    uint8_t signature[64];
    char hex[129];
    struct stele_signer *signer = NULL;
    assert_ok(stele_hex_decode(
        stele_view_str("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), seed,
        32, NULL));
    assert_ok(stele_signer_sodium_of_seed(seed, &signer, NULL));
    signer->ops->public_key(signer, public_key);
    stele_hex_encode(stele_view_of(public_key, 32), hex);
    assert_string_equal(hex, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_ok(signer->ops->sign(signer, stele_view_str("\x72"), signature, NULL));
    stele_hex_encode(stele_view_of(signature, 64), hex);
    assert_string_equal(hex, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                             "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    signature[63] ^= 1;
    assert_status(stele_signature_check(public_key, stele_view_str("\x72"), signature, NULL),
                  UNVERIFIED);
    stele_signer_free(signer);
    stele_signer_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signer__a_created_key_is_private_and_opens_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signer__an_existing_key_is_not_replaced, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_signer__two_created_keys_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signer__a_file_others_can_use_is_denied, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_signer__files_that_are_no_key_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test(test_signer__signs_as_rfc_8032),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
