/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/event_focus.h: the smallest valid event that reaches a given message of the schema,
 * with that message edited. Made from the schema table; what the table says is checked elsewhere.
 */
#ifndef STELE_TESTS_SUPPORT_EVENT_FOCUS_H
#define STELE_TESTS_SUPPORT_EVENT_FOCUS_H

#include "proto/schema.h"

/* In message `id`: the fields of `without` are left out, and `extra`, encoded fields, is appended.
 */
struct focus_edit {
    stele_message_id id;
    uint64_t without; /* bit n: field n */
    stele_view extra;
};

/* How the message is reached: "deployment.approval[0]"; "" for the event. Static per message. */
void focus_path(stele_message_id id, char out[STELE_AT_LEAST(128)]);

/*
 * Appends the event that reaches edit[0].id. `event_type` 0: the one whose body leads there, or
 * generic. An edit applies to every place of its message that the event happens to have.
 */
void focus_event(uint32_t event_type, const struct focus_edit *edit, size_t n_edits,
                 stele_buf *payload);

/* One field, encoded: pieces of `extra`. Appends. */
void focus_bytes(stele_buf *out, uint32_t number, stele_view value);
void focus_text(stele_buf *out, uint32_t number, const char *value);
void focus_varint(stele_buf *out, uint32_t number, uint64_t value);  /* also 0 */
void focus_fixed64(stele_buf *out, uint32_t number, uint64_t value); /* also 0 */

/* A value of the right type for the field, valid but where rules between fields forbid it. Appends.
 */
void focus_value(stele_buf *out, uint32_t number, const struct stele_field *field);

#endif
