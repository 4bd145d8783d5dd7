/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/cmocka.h: cmocka with the headers it needs before it, and an assertion on statuses.
 */
#ifndef STELE_TESTS_SUPPORT_CMOCKA_H
#define STELE_TESTS_SUPPORT_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/status.h"

/* Fails with the status's name and the detail's text, so that a red test explains itself. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        stele_status assert_ok_st = (call);                                                        \
        if (assert_ok_st != STELE_OK) {                                                            \
            fail_msg("%s: %s", #call, stele_status_name(assert_ok_st));                            \
        }                                                                                          \
    } while (0)
#define assert_status(call, name) assert_string_equal(stele_status_name(call), #name)

#endif
