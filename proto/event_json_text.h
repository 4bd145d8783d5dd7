/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_json_text.h: how single values are spelled in the JSON form, both ways. Layer: proto;
 * between the event_json_*.c files only. Pure.
 *
 * Parsing fails with INVALID and a text that does not name the place: the caller puts the path
 * before it.
 */
#ifndef STELE_PROTO_EVENT_JSON_TEXT_H
#define STELE_PROTO_EVENT_JSON_TEXT_H

#include "proto/schema.h"

#define STELE_DIGEST_BYTES_MAX 64
#define STELE_JSON_NUMBER_BYTES 32 /* the longest double has 24 characters, uint64 20 */
#define STELE_JSON_WORD_BYTES 40   /* the longest word has 25 */

/* A word of the enum, or "#" and a number below 2^32. */
STELE_MUST_USE stele_status stele_json__parse_enum(const struct stele_enum *e, stele_view word,
                                                   uint64_t *ret, stele_err *err);
/* Digits only, up to 2^64 - 1. */
STELE_MUST_USE stele_status stele_json__parse_u64(stele_view text, uint64_t *ret, stele_err *err);
/* Hex of at most 64 bytes. */
STELE_MUST_USE stele_status
stele_json__parse_hex(stele_view text, uint8_t out[STELE_AT_LEAST(STELE_DIGEST_BYTES_MAX)],
                      size_t *ret_size, stele_err *err);
/* "sha256:<hex>"; the algorithm also as "#123". */
STELE_MUST_USE stele_status stele_json__parse_digest(
    stele_view text, uint64_t *ret_alg, uint8_t out[STELE_AT_LEAST(STELE_DIGEST_BYTES_MAX)],
    size_t *ret_size, stele_err *err);
/* Four or 16 bytes. */
STELE_MUST_USE stele_status stele_json__parse_ip(const char *text, uint8_t out[STELE_AT_LEAST(16)],
                                                 size_t *ret_size, stele_err *err);

/* The word, or "#123". */
void stele_json__print_enum(const struct stele_enum *e, uint64_t number,
                            char out[STELE_AT_LEAST(STELE_JSON_WORD_BYTES)]);
/* The fewest digits that read back as `value`, which is finite; always with a point or an exponent.
 */
void stele_json__print_double(double value, char out[STELE_AT_LEAST(STELE_JSON_NUMBER_BYTES)]);

#endif
