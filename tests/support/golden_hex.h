/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/golden_hex.h: one file of tests/golden/v1: a line of hexadecimal digits. */
#ifndef STELE_TESTS_SUPPORT_GOLDEN_HEX_H
#define STELE_TESTS_SUPPORT_GOLDEN_HEX_H

#include <stdio.h>

#include "tests/support/cmocka.h"

#define GOLDEN_HEX_CHARS 2048

static inline void golden_hex(const char *name, char ret[GOLDEN_HEX_CHARS]) {
    char path[512];
    (void)snprintf(path, sizeof path, STELE_SOURCE_DIR "/tests/golden/v1/%s", name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%2047s", ret), 1);
    (void)fclose(file);
}

#endif
