/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/time.h: RFC 3339 <-> nanoseconds since 1970 UTC, as the JSON form reads and writes them.
 * Layer: proto. Pure: no clock, no locale, no time zone of the machine.
 */
#ifndef STELE_PROTO_TIME_H
#define STELE_PROTO_TIME_H

#include "storage/bytes.h"

/*
 * "2026-11-22T02:18:39.123456789Z": 0 to 9 fraction digits, any offset, T and Z in either case. A
 * leap second, 23:59:60 in UTC, is the second after it, as POSIX counts. From 1970 to 2554, where
 * 64 bits end. Errors: INVALID.
 */
STELE_MUST_USE stele_status stele_time_parse(stele_view text, uint64_t *ret_unix_nano,
                                             stele_err *err);

#define STELE_TIME_TEXT_BYTES 32
/* With 9 fraction digits and Z; 30 characters and a NUL. */
void stele_time_print(uint64_t unix_nano, char out[STELE_AT_LEAST(STELE_TIME_TEXT_BYTES)]);

#endif
