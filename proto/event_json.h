/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_json.h: the normalized JSON form of an event, both ways. Layer: proto. Not the hot
 * path.
 *
 * JSON is a projection for people and adapters, never what is hashed. Source: README.md,
 * "JSON form". Duplicate keys, unknown names, null and wrong types are refused with the path. An
 * event in protobuf's usual form (fields ascending, defaults left out, no unknown fields) comes
 * back byte for byte from encode and decode.
 *
 *   event.proto        JSON
 *   names              the same, in the order of the numbers; <x>_unix_nano is <x>: "time", "due"
 *   defaults (0, "")   left out; read as left out
 *   string             string
 *   enum               word: lower case, without prefix; a number without a word: "#123"
 *   bool               true, false
 *   uint32, uint64     integer; from 2^63 on a string of digits; both are read for any number
 *   double             number; the fewest digits that read back the same, with a point or exponent
 *   *_unix_nano        RFC 3339: 0 to 9 fraction digits and any offset read, 9 digits and Z written
 *   bytes              base64 with padding; trace_id and span_id: hex; ip: the address as text
 *   Digest             "<alg>:<hex>", the algorithm's word with - for _ ("hmac-sha256:..."); with
 *                      content_bytes, canonical or key_id: {"value":"<alg>:<hex>", ...}
 *   attributes, field  one object, key: value; s string, i integer, d number with a point or
 *                      exponent, b true or false, bin {"bin":"<base64>"}; read in any order
 *   repeated           array
 *   the body           a member under its own name; event_type must agree
 */
#ifndef STELE_PROTO_EVENT_JSON_H
#define STELE_PROTO_EVENT_JSON_H

#include <jansson.h>

#include "proto/time.h"
#include "storage/bytes.h"

/* Longest text read: every byte of the largest event as a six-character escape, and room for names.
 */
#define STELE_EVENT_JSON_BYTES_MAX (512 * 1024)
/* Deepest nesting read; an event has 10: five messages in five arrays. */
#define STELE_EVENT_JSON_DEPTH_MAX 16

/* Appends the encoded event to `payload`. The result has passed stele_event_check. Errors: INVALID,
 * LIMIT. */
STELE_MUST_USE stele_status stele_event_json_decode(stele_view json, stele_buf *payload,
                                                    stele_err *err);
/* The same from a parsed value (borrowed); importers build the normalized form and call this. */
STELE_MUST_USE stele_status stele_event_json_decode_value(const json_t *json, stele_buf *payload,
                                                          stele_err *err);
/*
 * Appends one line of JSON without a newline. Unknown fields of the payload are left out of the
 * text. The payload need not pass stele_event_check: numbers of a later schema are printed. Errors:
 * INVALID: not well-formed, a singular field twice, text that is not UTF-8 or holds control
 * characters, attributes out of order, a number JSON cannot hold.
 */
STELE_MUST_USE stele_status stele_event_json_encode(stele_view payload, stele_buf *json,
                                                    stele_err *err);

#endif
