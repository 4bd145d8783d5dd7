/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_rules.h: what the walker knows of a message while it reads it, and the rules that
 * hold between its fields. Layer: proto; between event.c and event_rules.c only.
 *
 * Fields come in any order, so a rule that needs two of them waits until the message ends; by then
 * the frame says which fields were seen and holds the singular values.
 */
#ifndef STELE_PROTO_EVENT_RULES_H
#define STELE_PROTO_EVENT_RULES_H

#include "proto/event.h"
#include "proto/schema.h"

#define STELE_BIT(n) (UINT64_C(1) << (n))

union stele_event_slot {
    stele_view view;
    uint64_t number; /* a number's value, how many of a repeated field were seen, `present` of a
                        message */
};

struct stele_event_frame {
    struct stele_event_frame *up; /* the message this one is a field of; NULL for the event */
    const struct stele_message *message;
    size_t size_bytes;        /* of the message, encoded */
    uint32_t at;              /* number of the field being read; 0: none */
    uint64_t seen;            /* bit n: field n is on the wire */
    uint64_t present;         /* bit n: field n has a value other than its default */
    stele_view attribute_key; /* of the attribute before */
    size_t attribute_bytes;
    union stele_event_slot slot[STELE_FIELD_SLOTS]; /* slot n is defined if bit n is seen */
};

struct stele_event_walk {
    struct stele_event_head head;
    stele_err *err;
};

/* Fills w->err: INVALID, the path of what is being read, the text. */
void stele_event__refuse(const struct stele_event_walk *w, const struct stele_event_frame *f,
                         const char *where, const char *format, ...) STELE_PRINTF(4, 5)
    __attribute__((cold));

/* return STELE_REFUSE(w, f, "%zu bytes, at most %u", ...): "resource[2].id: 600 bytes, at most 512"
 */
#define STELE_REFUSE(w, f, ...)                                                                    \
    (stele_event__refuse((w), (f), STELE_WHERE, __VA_ARGS__), STELE_INVALID)

/* The rules of the message that has just ended. */
STELE_MUST_USE stele_status stele_event__end_message(struct stele_event_walk *w,
                                                     struct stele_event_frame *f);

#endif
