/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_json.h: the normalized JSON form of an event, both ways. Layer: proto. Not the hot path.
 *
 * JSON is a projection for people and adapters, never what is hashed. Decoding encodes protobuf in
 * field order. Rules: names as in event.proto; enums as lower_snake words without prefix, unknown
 * numbers as "#123"; digests "sha256:<hex>"; ids hex; ip as text; `time` RFC 3339 with 0 to 9 fraction
 * digits and any offset read, 9 digits and Z written; attributes as an object; duplicate keys, unknown
 * names and wrong types refused with the path. Source: ARCHITECTURE.md, "JSON form".
 */
#ifndef STELE_PROTO_EVENT_JSON_H
#define STELE_PROTO_EVENT_JSON_H

#include <jansson.h>

#include "storage/bytes.h"

/* Appends the encoded event to `payload`. The result has passed stele_event_check. Errors: INVALID, LIMIT. */
STELE_MUST_USE stele_status stele_event_json_decode(stele_view json, stele_buf *payload, stele_err *err);
/* The same from a parsed value (borrowed); importers build the normalized form and call this. */
STELE_MUST_USE stele_status stele_event_json_decode_value(const json_t *json, stele_buf *payload,
                                                          stele_err *err);
/* Appends one line of JSON without a newline. Unknown fields of the payload are left out of the text. */
STELE_MUST_USE stele_status stele_event_json_encode(stele_view payload, stele_buf *json, stele_err *err);

/* RFC 3339 <-> nanoseconds since 1970 UTC, as the JSON form reads and writes them. */
STELE_MUST_USE stele_status stele_time_parse(stele_view text, uint64_t *ret_unix_nano, stele_err *err);
#define STELE_TIME_TEXT_BYTES 32
void stele_time_print(uint64_t unix_nano, char out[STELE_AT_LEAST(STELE_TIME_TEXT_BYTES)]);

#endif
