/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/cli_time.h: times, durations and numbers as people write them on a command line. Layer:
 * tools. Pure: the clock is an argument.
 */
#ifndef STELE_TOOLS_CLI_TIME_H
#define STELE_TOOLS_CLI_TIME_H

#include <stdint.h>

#include "storage/status.h"

/*
 * "2026-05-01", "2026-05-01T12:00:00Z", "2026-05-01T12:00:00.5+02:00", "90s", "15min", "36h", "7d",
 * "2w", "18mo", "2y" (that long ago; months and years by the calendar, the 31st becomes the last
 * day of a shorter month), "now", "today", "yesterday" (midnight UTC).
 * Errors: INVALID: none of these forms, or before 1970.
 */
STELE_MUST_USE stele_status stele_cli_time(const char *text, uint64_t now_unix_nano,
                                           uint64_t *ret_unix_nano, stele_err *err);
/* "10s", "500ms", "2min", "1h"; a number alone is seconds. More than 0. Errors: INVALID. */
STELE_MUST_USE stele_status stele_cli_duration(const char *text, uint32_t *ret_ms, stele_err *err);
/* A decimal number without sign, point or spaces. Errors: INVALID. */
STELE_MUST_USE stele_status stele_cli_number(const char *text, uint64_t *ret, stele_err *err);

#endif
