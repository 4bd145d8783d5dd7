/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_json_place.h: where in the JSON form a reader or writer is, and what a field is
 * called there. Layer: proto; between the event_json_*.c files only.
 */
#ifndef STELE_PROTO_EVENT_JSON_PLACE_H
#define STELE_PROTO_EVENT_JSON_PLACE_H

#include "proto/schema.h"

/* A chain from the member being read up to the event, on the stack. */
struct stele_json_place {
    const struct stele_json_place *up; /* NULL for the event itself */
    const struct stele_field *field;
    const char *key; /* of an attribute; NULL elsewhere */
    int index;       /* in an array; -1 elsewhere */
};

#define STELE_JSON_NAME_BYTES 64
/* The member's name: the field's, without "_unix_nano". */
void stele_json__name(const struct stele_field *field,
                      char out[STELE_AT_LEAST(STELE_JSON_NAME_BYTES)]);

/* At most 40 characters of a text from outside, for a message: what is not printable ASCII is "?".
 */
#define STELE_JSON_SHOWN_BYTES 41
const char *stele_json__shown(stele_view text, char out[STELE_AT_LEAST(STELE_JSON_SHOWN_BYTES)]);

/* Fills err: INVALID, the path, the text. */
void stele_json__refuse(stele_err *err, const struct stele_json_place *place, const char *where,
                        const char *format, ...) STELE_PRINTF(4, 5) __attribute__((cold));

/* return STELE_JSON_REFUSE(err, place, "a string expected"): "actor.id: a string expected" */
#define STELE_JSON_REFUSE(err, place, ...)                                                         \
    (stele_json__refuse((err), (place), STELE_WHERE, __VA_ARGS__), STELE_INVALID)

#endif
