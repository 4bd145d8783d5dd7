/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/utc.h: times as text for people, for code that must not need jansson:
 * "2026-11-03T08:15:30.25Z". Layer: proto, part of the verifier. Pure.
 */
#ifndef STELE_PROTO_UTC_H
#define STELE_PROTO_UTC_H

#include "storage/bytes.h"

/* The year of 2^64 - 1 microseconds has six digits: 6 + "-MM-DDTHH:MM:SS" 15 + fraction 10 + "Z"
 * and NUL. */
#define STELE_UTC_TEXT_BYTES 33

/* All of uint64_t is printed; a fraction has as many digits as it needs, none if it is 0. */
void stele_utc_of_us(uint64_t unix_us, char out[STELE_AT_LEAST(STELE_UTC_TEXT_BYTES)]);
void stele_utc_of_ns(uint64_t unix_ns, char out[STELE_AT_LEAST(STELE_UTC_TEXT_BYTES)]);

#endif
