/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/vectors.h: reading JSON test vectors. Numbers become strings while reading, because
 * jansson's integers end at 2^63 - 1 and some vectors have 2^64 - 1; vectors_u64 reads them back.
 */
#ifndef STELE_TESTS_SUPPORT_VECTORS_H
#define STELE_TESTS_SUPPORT_VECTORS_H

#include <jansson.h>
#include <stdbool.h>

#include "storage/bytes.h"

/* Where the shared vectors are; where they are absent the program says so and exits with 77. */
void vectors_need(void);
/* A file below the shared vectors, or with an absolute path: an object or array, or an array of the
 * lines for .jsonl. Fails the test if it cannot be read. To be released with json_decref. */
json_t *vectors_load(const char *path);
const char *vectors_text(const json_t *object, const char *key);
bool vectors_bool(const json_t *object, const char *key);
uint64_t vectors_u64(const json_t *object, const char *key);
/* Hex or base64 of a string value, appended. */
void vectors_hex(const json_t *value, stele_buf *out);
void vectors_base64(const json_t *value, stele_buf *out);

#endif
