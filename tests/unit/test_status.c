/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "storage/status.h"
#include "tests/support/cmocka.h"

static void test_status__numbers_are_pinned(void **state) {
    (void)state;
    static const char *const names[] = {"OK",         "END",         "INVALID", "LIMIT",
                                        "DENIED",     "NOT_FOUND",   "EXISTS",  "CORRUPT",
                                        "UNVERIFIED", "UNSUPPORTED", "IO",      "NO_SPACE",
                                        "NO_MEMORY",  "BUSY",        "CLOSED",  "BUG"};
    for (unsigned i = 0; i < 16; i++) {
        assert_string_equal(stele_status_name((stele_status)i), names[i]);
        assert_true(strlen(stele_status_text((stele_status)i)) > 0);
    }
    assert_int_equal(STELE_OK, 0);
    assert_int_equal(STELE_BUG, 15);
}

static void test_status__numbers_out_of_range_have_names(void **state) {
    (void)state;
    assert_string_equal(stele_status_name((stele_status)16), "UNKNOWN_STATUS");
    assert_string_equal(stele_status_text((stele_status)4711), "unknown status");
}

static void test_status__fail_fills_the_detail(void **state) {
    (void)state;
    stele_err err;
    assert_status(STELE_FAIL(&err, LIMIT, "%d of %s", 7, "them"), LIMIT);
    assert_int_equal(err.status, STELE_LIMIT);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.text, "7 of them");
    assert_non_null(strstr(err.where, "test_status.c:"));
}

static void test_status__fail_without_a_detail_returns_the_status(void **state) {
    (void)state;
    assert_status(STELE_FAIL(NULL, DENIED, "nobody reads this"), DENIED);
    assert_status(STELE_FAIL_ERRNO(NULL, EIO, "nobody reads this"), IO);
}

static void test_status__long_texts_are_cut_and_ended(void **state) {
    (void)state;
    stele_err err;
    char text[2 * STELE_ERR_TEXT_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_status(STELE_FAIL(&err, INVALID, "%s", text), INVALID);
    assert_int_equal(strlen(err.text), STELE_ERR_TEXT_BYTES - 1);
}

static void test_status__errno_becomes_a_status(void **state) {
    (void)state;
    stele_err err;
    assert_int_equal(stele_status_of_errno(ENOSPC), STELE_NO_SPACE);
    assert_int_equal(stele_status_of_errno(EDQUOT), STELE_NO_SPACE);
    assert_int_equal(stele_status_of_errno(ENOMEM), STELE_NO_MEMORY);
    assert_int_equal(stele_status_of_errno(EACCES), STELE_IO);
    assert_status(STELE_FAIL_ERRNO(&err, ENOSPC, "full"), NO_SPACE);
    assert_int_equal(err.os_errno, ENOSPC);
}

static stele_status run(stele_status first, int *steps) {
    stele_status st = STELE_OK;
    STELE_TRY(first);
    (*steps)++;
    STELE_TRY(STELE_OK);
    (*steps)++;
cleanup:
    return st;
}

static void test_status__try_leaves_at_the_first_failure(void **state) {
    (void)state;
    int steps = 0;
    assert_status(run(STELE_OK, &steps), OK);
    assert_int_equal(steps, 2);
    steps = 0;
    assert_status(run(STELE_BUSY, &steps), BUSY);
    assert_int_equal(steps, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status__numbers_are_pinned),
        cmocka_unit_test(test_status__numbers_out_of_range_have_names),
        cmocka_unit_test(test_status__fail_fills_the_detail),
        cmocka_unit_test(test_status__fail_without_a_detail_returns_the_status),
        cmocka_unit_test(test_status__long_texts_are_cut_and_ended),
        cmocka_unit_test(test_status__errno_becomes_a_status),
        cmocka_unit_test(test_status__try_leaves_at_the_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
