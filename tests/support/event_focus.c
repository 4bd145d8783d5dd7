/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/event_focus.c: smallest events around one message. */
#include "tests/support/event_focus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"

#define BIT(n) (UINT64_C(1) << (n))

struct focus {
    uint32_t event_type;
    const struct focus_edit *edit;
    size_t n_edits;
    /* The field of each message on the way from the event to edit[0].id; 0: not on the way. */
    uint32_t via[STELE_MESSAGE_COUNT];
};

static void put(stele_buf *out, stele_view bytes) {
    if (stele_buf_append(out, bytes, NULL) != STELE_OK) {
        (void)fprintf(stderr, "no memory for a test event\n");
        abort();
    }
}

static void put_varint(stele_buf *out, uint64_t value) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_varint(&w, value);
    if (stele_writer_end(&w, NULL) != STELE_OK) {
        abort();
    }
}

void focus_bytes(stele_buf *out, uint32_t number, stele_view value) {
    put_varint(out, (uint64_t)number << 3 | 2);
    put_varint(out, value.size);
    put(out, value);
}

void focus_text(stele_buf *out, uint32_t number, const char *value) {
    focus_bytes(out, number, stele_view_str(value));
}

void focus_varint(stele_buf *out, uint32_t number, uint64_t value) {
    put_varint(out, (uint64_t)number << 3);
    put_varint(out, value);
}

void focus_fixed64(stele_buf *out, uint32_t number, uint64_t value) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    put_varint(out, (uint64_t)number << 3 | 1);
    put(out, stele_view_of(bytes, sizeof bytes));
}

/* The way from the event to `id`, breadth first; parent[] and field[] are by message. */
static bool find_way(stele_message_id id, size_t parent[STELE_AT_LEAST(STELE_MESSAGE_COUNT)],
                     uint32_t field[STELE_AT_LEAST(STELE_MESSAGE_COUNT)]) {
    size_t queue[STELE_MESSAGE_COUNT] = {STELE_MESSAGE_EVENT};
    bool seen[STELE_MESSAGE_COUNT] = {[STELE_MESSAGE_EVENT] = true};
    size_t n = 1;
    for (size_t at = 0; at < n; at++) {
        const struct stele_message *message = &stele_message_table[queue[at]];
        for (uint32_t number = 1; number < message->n_field; number++) {
            const struct stele_field *f = &message->field[number];
            if (f->kind == STELE_KIND_MESSAGE && !seen[f->sub]) {
                seen[f->sub] = true;
                parent[f->sub] = queue[at];
                field[f->sub] = number;
                queue[n++] = f->sub;
            }
        }
    }
    return seen[id];
}

void focus_path(stele_message_id id, char out[STELE_AT_LEAST(128)]) {
    size_t parent[STELE_MESSAGE_COUNT] = {0};
    uint32_t field[STELE_MESSAGE_COUNT] = {0};
    char names[8][64];
    size_t n = 0;
    if (!find_way(id, parent, field)) {
        abort();
    }
    for (size_t at = id; at != STELE_MESSAGE_EVENT; at = parent[at]) {
        const struct stele_field *f = &stele_message_table[parent[at]].field[field[at]];
        bool repeated = (f->flags & STELE_FIELD_REPEATED) != 0;
        (void)snprintf(names[n++], sizeof names[0], "%s%s", f->name, repeated ? "[0]" : "");
    }
    out[0] = '\0';
    while (n > 0) {
        size_t used = strlen(out);
        (void)snprintf(out + used, 128 - used, "%s%s", used == 0 ? "" : ".", names[--n]);
    }
}

static void put_message(const struct focus *f, stele_message_id id, stele_buf *out);

void focus_value(stele_buf *out, uint32_t number, const struct stele_field *field) {
    static const uint8_t bytes[64] = {7};
    switch ((stele_kind)field->kind) {
    case STELE_KIND_TEXT:
        focus_text(out, number, field->max == 16 && field->sub == STELE_CHARSET_NAME ? "raw" : "x");
        break;
    case STELE_KIND_BYTES: {
        size_t size = field->sub == STELE_BYTES_BASE64 ? (field->max == 64 ? 32 : 1) : field->max;
        focus_bytes(out, number, stele_view_of(bytes, size));
        break;
    }
    case STELE_KIND_MESSAGE: {
        struct focus plain = {.event_type = 12};
        stele_buf sub = STELE_BUF_EMPTY;
        put_message(&plain, (stele_message_id)field->sub, &sub);
        focus_bytes(out, number, stele_view_buf(&sub));
        stele_buf_done(&sub);
        break;
    }
    case STELE_KIND_TIME:
    case STELE_KIND_DOUBLE:
        focus_fixed64(out, number, 1);
        break;
    case STELE_KIND_ENUM:
    case STELE_KIND_BOOL:
    case STELE_KIND_UINT32:
    case STELE_KIND_UINT64:
    case STELE_KIND_SINT64:
        focus_varint(out, number, 1);
        break;
    case STELE_KIND_NONE:
        break;
    }
}

/* What must be there besides the required fields, so that the rules between fields hold. */
static uint64_t also_needed(const struct focus *f, stele_message_id id) {
    static const uint64_t needed[STELE_MESSAGE_COUNT] = {
        [STELE_MESSAGE_ATTRIBUTE] = BIT(STELE_ATTRIBUTE_B),
        [STELE_MESSAGE_INFERENCE] = BIT(STELE_INFERENCE_INPUT) | BIT(STELE_INFERENCE_OUTPUT),
        [STELE_MESSAGE_DEPLOYMENT] = BIT(STELE_DEPLOYMENT_ARTIFACT),
        [STELE_MESSAGE_POLICY_CHANGE] = BIT(STELE_POLICY_CHANGE_PRINCIPAL_ID),
        [STELE_MESSAGE_LINEAGE] = BIT(STELE_LINEAGE_EDGE),
        [STELE_MESSAGE_LINEAGE_EDGE] = BIT(STELE_EDGE_OUTPUT),
        [STELE_MESSAGE_DATA_SUBJECT_REQUEST] = BIT(STELE_DSR_DUE),
    };
    if (id == STELE_MESSAGE_EVENT) {
        return BIT(STELE_BODY_NUMBER_BASE + f->event_type) |
               (f->event_type == 3 ? BIT(STELE_EVENT_RESOURCE) : 0);
    }
    return needed[id];
}

static void put_message(const struct focus *f, stele_message_id id, stele_buf *out) {
    const struct stele_message *message = &stele_message_table[id];
    uint64_t without = 0;
    for (size_t i = 0; i < f->n_edits; i++) {
        without |= f->edit[i].id == id ? f->edit[i].without : 0;
    }
    uint64_t wanted = (message->required | also_needed(f, id)) & ~without;
    if (f->via[id] != 0) {
        wanted |= BIT(f->via[id]);
    }
    for (uint32_t number = 1; number < message->n_field; number++) {
        const struct stele_field *field = &message->field[number];
        if ((wanted & BIT(number)) == 0) {
            continue;
        }
        if (field->kind == STELE_KIND_MESSAGE) {
            stele_buf sub = STELE_BUF_EMPTY;
            put_message(f, (stele_message_id)field->sub, &sub);
            focus_bytes(out, number, stele_view_buf(&sub));
            stele_buf_done(&sub);
        } else if (id == STELE_MESSAGE_EVENT && number == STELE_EVENT_EVENT_TYPE) {
            focus_varint(out, number, f->event_type);
        } else {
            focus_value(out, number, field);
        }
    }
    for (size_t i = 0; i < f->n_edits; i++) {
        if (f->edit[i].id == id) {
            put(out, f->edit[i].extra);
        }
    }
}

void focus_event(uint32_t event_type, const struct focus_edit *edit, size_t n_edits,
                 stele_buf *payload) {
    size_t parent[STELE_MESSAGE_COUNT] = {0};
    uint32_t field[STELE_MESSAGE_COUNT] = {0};
    struct focus f = {.event_type = event_type, .edit = edit, .n_edits = n_edits};
    if (!find_way(edit[0].id, parent, field)) {
        abort();
    }
    for (size_t at = edit[0].id; at != STELE_MESSAGE_EVENT; at = parent[at]) {
        f.via[parent[at]] = field[at];
    }
    uint32_t first = f.via[STELE_MESSAGE_EVENT];
    if (f.event_type == 0) {
        f.event_type = first > STELE_BODY_NUMBER_BASE ? first - STELE_BODY_NUMBER_BASE : 12;
    }
    put_message(&f, STELE_MESSAGE_EVENT, payload);
}
