/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event.c: the walker. One pass over the payload, driven by the schema table.
 *
 * Each message being read has a frame on the stack; what must hold between its fields is checked
 * when it ends (event_rules.c). Recursion follows the schema, whose messages nest five deep and
 * never contain themselves. Nothing of the payload is copied.
 */
#include "proto/event.h"

#include <math.h>
#include <string.h>

#include "proto/event_rules.h"
#include "proto/schema.h"
#include "proto/text.h"
#include "proto/wire.h"

static stele_status check_text(struct stele_event_walk *w, const struct stele_event_frame *f,
                               const struct stele_field *field, stele_view text) {
    if (text.size > field->max) {
        return STELE_REFUSE(w, f, "%zu bytes, at most %u", text.size, (unsigned)field->max);
    }
    const char *problem = stele_text_problem(text, (stele_charset)field->sub);
    if (problem != NULL) {
        return STELE_REFUSE(w, f, "%s", problem);
    }
    if (text.size == 0 && (field->flags & STELE_FIELD_REPEATED) != 0) {
        return STELE_REFUSE(w, f, "empty; leave it out or give it 1..%u bytes",
                            (unsigned)field->max);
    }
    return STELE_OK;
}

static stele_status check_bytes(struct stele_event_walk *w, const struct stele_event_frame *f,
                                const struct stele_field *field, size_t size) {
    if (size == 0) {
        return STELE_OK;
    }
    if (field->sub == STELE_BYTES_HEX && size != field->max) {
        return STELE_REFUSE(w, f, "%zu bytes, %u if set", size, (unsigned)field->max);
    }
    if (field->sub == STELE_BYTES_IP && size != 4 && size != 16) {
        return STELE_REFUSE(w, f, "%zu bytes, 4 (IPv4) or 16 (IPv6) if set", size);
    }
    if (size > field->max || size < field->min) {
        return STELE_REFUSE(w, f, "%zu bytes, %u to %u", size, (unsigned)field->min,
                            (unsigned)field->max);
    }
    return STELE_OK;
}

static stele_status check_number(struct stele_event_walk *w, const struct stele_event_frame *f,
                                 const struct stele_field *field, uint64_t value) {
    unsigned long long shown = (unsigned long long)value;
    switch ((stele_kind)field->kind) {
    case STELE_KIND_ENUM:
        if (!stele_enum_knows(&stele_enum_table[field->sub], value)) {
            return STELE_REFUSE(w, f, "%llu is no value of %s", shown,
                                stele_enum_table[field->sub].name);
        }
        return STELE_OK;
    case STELE_KIND_BOOL:
        if (value > 1) {
            return STELE_REFUSE(w, f, "%llu, 0 or 1", shown);
        }
        return STELE_OK;
    case STELE_KIND_UINT32:
        if (value > field->max) {
            return STELE_REFUSE(w, f, "%llu, at most %u", shown, (unsigned)field->max);
        }
        return STELE_OK;
    case STELE_KIND_DOUBLE:
        if (!isfinite(stele_wire_double(value))) {
            return STELE_REFUSE(w, f, "not a finite number");
        }
        return STELE_OK;
    case STELE_KIND_UINT64:
    case STELE_KIND_SINT64:
    case STELE_KIND_TIME:
        return STELE_OK;
    case STELE_KIND_NONE:
    case STELE_KIND_TEXT:
    case STELE_KIND_BYTES:
    case STELE_KIND_MESSAGE:
        break;
    }
    return STELE_FAIL(w->err, BUG, "the schema table gives %s a kind that is no number",
                      field->name);
}

/* The wire type of each kind. */
static const uint8_t kind_wire[] = {
    [STELE_KIND_TEXT] = STELE_WIRE_BYTES,    [STELE_KIND_BYTES] = STELE_WIRE_BYTES,
    [STELE_KIND_MESSAGE] = STELE_WIRE_BYTES, [STELE_KIND_ENUM] = STELE_WIRE_VARINT,
    [STELE_KIND_BOOL] = STELE_WIRE_VARINT,   [STELE_KIND_UINT32] = STELE_WIRE_VARINT,
    [STELE_KIND_UINT64] = STELE_WIRE_VARINT, [STELE_KIND_SINT64] = STELE_WIRE_VARINT,
    [STELE_KIND_TIME] = STELE_WIRE_FIXED64,  [STELE_KIND_DOUBLE] = STELE_WIRE_FIXED64,
};

/* Once where singular, once for the whole oneof, not too often where repeated. */
static stele_status check_count(struct stele_event_walk *w, struct stele_event_frame *f,
                                const struct stele_field *field) {
    uint64_t bit = STELE_BIT(f->at);
    if ((field->flags & STELE_FIELD_REPEATED) != 0) {
        f->slot[f->at].number = (f->seen & bit) != 0 ? f->slot[f->at].number + 1 : 1;
        f->seen |= bit;
        if (f->slot[f->at].number > field->count) {
            return STELE_REFUSE(w, f, "one more than the %u allowed", (unsigned)field->count);
        }
        return STELE_OK;
    }
    if ((f->seen & bit) != 0) {
        return STELE_REFUSE(w, f, "occurs twice");
    }
    if ((f->message->oneof & bit) != 0 && (f->seen & f->message->oneof) != 0) {
        return STELE_REFUSE(w, f, "a second member of a oneof; set exactly one");
    }
    f->seen |= bit;
    return STELE_OK;
}

static stele_status walk_message(struct stele_event_walk *w, struct stele_event_frame *up,
                                 const struct stele_message *message, stele_view bytes,
                                 uint64_t *ret_present);

/* One field of the schema: its value is checked and, where singular, kept in the frame. */
static stele_status walk_field(struct stele_event_walk *w, struct stele_event_frame *f,
                               const struct stele_field *field,
                               const struct stele_wire_record *record) {
    if (record->type != kind_wire[field->kind]) {
        return STELE_REFUSE(w, f, "wire type %u, %u by the schema", (unsigned)record->type,
                            (unsigned)kind_wire[field->kind]);
    }
    stele_status st = check_count(w, f, field);
    if (st != STELE_OK) {
        return st;
    }
    bool repeated = (field->flags & STELE_FIELD_REPEATED) != 0;
    if (field->kind == STELE_KIND_MESSAGE) {
        uint64_t present = 0;
        f->present |= STELE_BIT(f->at);
        st = walk_message(w, f, &stele_message_table[field->sub], record->bytes, &present);
        if (!repeated) {
            f->slot[f->at].number = present; /* a body's rules are completed when the event ends */
        }
        return st;
    }
    if (kind_wire[field->kind] == STELE_WIRE_BYTES) {
        if (!repeated) {
            f->slot[f->at].view = record->bytes;
        }
        f->present |= record->bytes.size > 0 ? STELE_BIT(f->at) : 0;
        return field->kind == STELE_KIND_TEXT ? check_text(w, f, field, record->bytes)
                                              : check_bytes(w, f, field, record->bytes.size);
    }
    f->slot[f->at].number = record->value; /* the schema has no repeated numbers */
    f->present |= record->value != 0 ? STELE_BIT(f->at) : 0;
    return check_number(w, f, field, record->value);
}

static stele_status walk_message(struct stele_event_walk *w, struct stele_event_frame *up,
                                 const struct stele_message *message, stele_view bytes,
                                 uint64_t *ret_present) {
    struct stele_event_frame f;
    f.up = up;
    f.message = message;
    f.size_bytes = bytes.size;
    f.at = 0;
    f.seen = 0;
    f.present = 0;
    f.attribute_key = (stele_view){NULL, 0};
    f.attribute_bytes = 0;
    struct stele_wire wire = stele_wire_of(bytes);
    struct stele_wire_record record = {0};
    while (!stele_wire_at_end(&wire)) {
        size_t offset = (size_t)(wire.at - bytes.data);
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            f.at = 0;
            return STELE_REFUSE(w, &f, "at byte %zu of %zu: %s; this is not a protobuf message",
                                offset, bytes.size, wire.problem);
        }
        if (record.number >= message->n_field ||
            message->field[record.number].kind == STELE_KIND_NONE) {
            continue; /* a field of a later schema: committed to, not understood */
        }
        f.at = record.number;
        stele_status st = walk_field(w, &f, &message->field[record.number], &record);
        if (st != STELE_OK) {
            return st;
        }
    }
    *ret_present = f.present;
    return stele_event__end_message(w, &f);
}

stele_status stele_event_check(stele_view payload, struct stele_event_head *ret_head,
                               stele_err *err) {
    if (payload.size > STELE_EVENT_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "event: %zu bytes, at most %d; send large content as its digest",
                          payload.size, STELE_EVENT_BYTES_MAX);
    }
    struct stele_event_walk w;
    memset(&w.head, 0, sizeof w.head);
    w.err = err;
    uint64_t present = 0;
    stele_status st =
        walk_message(&w, NULL, &stele_message_table[STELE_MESSAGE_EVENT], payload, &present);
    if (st == STELE_OK) {
        *ret_head = w.head;
    }
    return st;
}
