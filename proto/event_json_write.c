/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_json_write.c: protobuf -> JSON, straight from the wire, driven by the schema table.
 *
 * A message is scanned once, which finds where its known fields are and refuses what has no JSON
 * form, and is then written in the order of the field numbers, whatever order it came in.
 */
#include "proto/event_json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "proto/event_json_place.h"
#include "proto/event_json_text.h"
#include "proto/text.h"
#include "proto/wire.h"
#include "storage/base64.h"
#include "storage/cursor.h"

#define BIT(n) (UINT64_C(1) << (n))

struct writer {
    struct stele_writer out;
    stele_err *err;
};

/* What the scan of a message found: of singular fields the record, of repeated ones that there is
 * one. */
struct found {
    uint64_t seen;
    struct stele_wire_record record[STELE_FIELD_SLOTS]; /* defined where seen */
};

#define REFUSE(w, place, ...) STELE_JSON_REFUSE((w)->err, (place), __VA_ARGS__)

static void put(struct writer *w, const char *text) {
    stele_write_view(&w->out, stele_view_str(text));
}

static stele_status put_string(struct writer *w, const struct stele_json_place *place,
                               stele_view text) {
    /* LINES allows what JSON escapes by letter; other control characters have no business here. */
    const char *problem = stele_text_problem(text, STELE_CHARSET_LINES);
    if (problem != NULL) {
        return REFUSE(w, place, "%s", problem);
    }
    size_t start = 0;
    put(w, "\"");
    for (size_t i = 0; i < text.size; i++) {
        const char *escape = NULL;
        switch (text.data[i]) {
        case '"':
            escape = "\\\"";
            break;
        case '\\':
            escape = "\\\\";
            break;
        case '\n':
            escape = "\\n";
            break;
        case '\r':
            escape = "\\r";
            break;
        case '\t':
            escape = "\\t";
            break;
        default:
            continue;
        }
        stele_write_view(&w->out, stele_view_slice(text, start, i - start));
        put(w, escape);
        start = i + 1;
    }
    stele_write_view(&w->out, stele_view_slice(text, start, text.size - start));
    put(w, "\"");
    return STELE_OK;
}

static void put_hex(struct writer *w, stele_view bytes) {
    char text[2 * 32 + 1];
    for (size_t i = 0; i < bytes.size; i += 32) {
        size_t size = bytes.size - i < 32 ? bytes.size - i : 32;
        stele_hex_encode(stele_view_slice(bytes, i, size), text);
        put(w, text);
    }
}

static void put_base64(struct writer *w, stele_view bytes) {
    put(w, "\"");
    if (!w->out.failed && stele_base64_encode(bytes, w->out.buf, NULL) != STELE_OK) {
        w->out.failed = true;
    }
    put(w, "\"");
}

static stele_status put_bytes(struct writer *w, const struct stele_json_place *place,
                              const struct stele_field *field, stele_view bytes) {
    if (field->sub == STELE_BYTES_BASE64) {
        put_base64(w, bytes);
        return STELE_OK;
    }
    put(w, "\"");
    if (field->sub == STELE_BYTES_HEX) {
        put_hex(w, bytes);
    } else {
        char text[INET6_ADDRSTRLEN];
        if ((bytes.size != 4 && bytes.size != 16) ||
            inet_ntop(bytes.size == 4 ? AF_INET : AF_INET6, bytes.data, text, sizeof text) ==
                NULL) {
            return REFUSE(w, place, "%zu bytes are no IP address", bytes.size);
        }
        put(w, text);
    }
    put(w, "\"");
    return STELE_OK;
}

static stele_status put_double(struct writer *w, const struct stele_json_place *place,
                               uint64_t bits) {
    char text[STELE_JSON_NUMBER_BYTES];
    double value = stele_wire_double(bits);
    if (!isfinite(value)) {
        return REFUSE(w, place, "not a finite number; JSON has none such");
    }
    stele_json__print_double(value, text);
    put(w, text);
    return STELE_OK;
}

static stele_status put_number(struct writer *w, const struct stele_json_place *place,
                               const struct stele_field *field, uint64_t value) {
    char text[64] = "";
    switch ((stele_kind)field->kind) {
    case STELE_KIND_ENUM: {
        char word[STELE_JSON_WORD_BYTES];
        stele_json__print_enum(&stele_enum_table[field->sub], value, word);
        (void)snprintf(text, sizeof text, "\"%s\"", word);
        break;
    }
    case STELE_KIND_BOOL:
        (void)snprintf(text, sizeof text, "%s", value != 0 ? "true" : "false");
        break;
    case STELE_KIND_TIME: {
        char time[STELE_TIME_TEXT_BYTES];
        stele_time_print(value, time);
        (void)snprintf(text, sizeof text, "\"%s\"", time);
        break;
    }
    case STELE_KIND_DOUBLE:
        return put_double(w, place, value);
    case STELE_KIND_SINT64:
        (void)snprintf(text, sizeof text, "%" PRId64, stele_wire_unzigzag(value));
        break;
    case STELE_KIND_UINT32:
    case STELE_KIND_UINT64: { /* readers of JSON keep integers in 64 signed bits */
        const char *quote = value > INT64_MAX ? "\"" : "";
        (void)snprintf(text, sizeof text, "%s%" PRIu64 "%s", quote, value, quote);
        break;
    }
    case STELE_KIND_NONE:
    case STELE_KIND_TEXT:
    case STELE_KIND_BYTES:
    case STELE_KIND_MESSAGE:
        return STELE_FAIL(w->err, BUG, "the schema table has a kind without a JSON form");
    }
    put(w, text);
    return STELE_OK;
}

static bool is_repeated(const struct stele_field *field) {
    return (field->flags & STELE_FIELD_REPEATED) != 0;
}

static bool is_bytes(const struct stele_field *field) {
    return field->kind == STELE_KIND_TEXT || field->kind == STELE_KIND_BYTES ||
           field->kind == STELE_KIND_MESSAGE;
}

/* The schema's field of a record; NULL for one that the schema does not have. */
static const struct stele_field *field_of(const struct stele_message *message, uint32_t number) {
    bool known = number < message->n_field && message->field[number].kind != STELE_KIND_NONE;
    return known ? &message->field[number] : NULL;
}

static stele_status scan(struct writer *w, const struct stele_json_place *place,
                         const struct stele_message *message, stele_view bytes,
                         struct found *found) {
    struct stele_wire wire = stele_wire_of(bytes);
    found->seen = 0;
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record = {0};
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return REFUSE(w, place, "%s; this is not a protobuf message", wire.problem);
        }
        const struct stele_field *field = field_of(message, record.number);
        if (field == NULL) {
            continue;
        }
        const struct stele_json_place inner = {place, field, NULL, -1};
        bool fixed = field->kind == STELE_KIND_TIME || field->kind == STELE_KIND_DOUBLE;
        uint32_t expected =
            is_bytes(field) ? STELE_WIRE_BYTES : (fixed ? STELE_WIRE_FIXED64 : STELE_WIRE_VARINT);
        if (record.type != expected) {
            return REFUSE(w, &inner, "wire type %u, %u by the schema", (unsigned)record.type,
                          (unsigned)expected);
        }
        uint64_t bit = BIT(record.number);
        uint64_t siblings = (message->oneof & bit) != 0 ? message->oneof : bit;
        if (!is_repeated(field) && (found->seen & siblings) != 0) {
            return REFUSE(w, &inner, "the field, or its oneof, occurs twice");
        }
        found->seen |= bit;
        found->record[record.number] = record;
    }
    return STELE_OK;
}

/* Fields 1 and 2, as "sha256:<hex>". */
static void put_digest_text(struct writer *w, const struct found *found) {
    char word[STELE_JSON_WORD_BYTES];
    uint64_t alg =
        (found->seen & BIT(STELE_DIGEST_ALG)) != 0 ? found->record[STELE_DIGEST_ALG].value : 0;
    stele_json__print_enum(&stele_enum_table[STELE_ENUM_HASH_ALG], alg, word);
    for (char *at = word; *at != '\0'; at++) {
        *at = *at == '_' ? '-' : *at;
    }
    put(w, "\"");
    put(w, word);
    put(w, ":");
    if ((found->seen & BIT(STELE_DIGEST_VALUE)) != 0) {
        put_hex(w, found->record[STELE_DIGEST_VALUE].bytes);
    }
    put(w, "\"");
}

static stele_status put_message(struct writer *w, const struct stele_json_place *place,
                                const struct stele_message *message, stele_view bytes);

static stele_status put_value(struct writer *w, const struct stele_json_place *place,
                              const struct stele_field *field,
                              const struct stele_wire_record *record) {
    switch ((stele_kind)field->kind) {
    case STELE_KIND_TEXT:
        return put_string(w, place, record->bytes);
    case STELE_KIND_BYTES:
        return put_bytes(w, place, field, record->bytes);
    case STELE_KIND_MESSAGE:
        return put_message(w, place, &stele_message_table[field->sub], record->bytes);
    case STELE_KIND_ENUM:
    case STELE_KIND_BOOL:
    case STELE_KIND_UINT32:
    case STELE_KIND_UINT64:
    case STELE_KIND_SINT64:
    case STELE_KIND_TIME:
    case STELE_KIND_DOUBLE:
    case STELE_KIND_NONE:
        break;
    }
    return put_number(w, place, field, record->value);
}

/* key: value; bytes stand in an object, so that they are no string. */
static stele_status put_attribute(struct writer *w, const struct stele_json_place *place,
                                  stele_view bytes, stele_view *key) {
    const struct stele_message *attribute = &stele_message_table[STELE_MESSAGE_ATTRIBUTE];
    struct found found;
    stele_status st = scan(w, place, attribute, bytes, &found);
    if (st != STELE_OK) {
        return st;
    }
    stele_view before = *key;
    *key = (found.seen & BIT(STELE_ATTRIBUTE_KEY)) != 0 ? found.record[STELE_ATTRIBUTE_KEY].bytes
                                                        : stele_view_of(NULL, 0);
    uint64_t member = found.seen & attribute->oneof;
    if (member == 0 || (place->index > 0 && stele_view_compare(before, *key) >= 0)) {
        return REFUSE(w, place, "an attribute without a value, or not in ascending order of keys");
    }
    uint32_t number = (uint32_t)__builtin_ctzll(member);
    put(w, place->index > 0 ? "," : "");
    STELE_TRY(put_string(w, place, *key));
    put(w, number == STELE_ATTRIBUTE_BIN ? ":{\"bin\":" : ":");
    STELE_TRY(put_value(w, place, &attribute->field[number], &found.record[number]));
    put(w, number == STELE_ATTRIBUTE_BIN ? "}" : "");
cleanup:
    return st;
}

/* All occurrences of a repeated field: an array, or for attributes an object. */
static stele_status put_repeated(struct writer *w, const struct stele_json_place *place,
                                 uint32_t number, const struct stele_field *field,
                                 stele_view bytes) {
    bool attributes = (field->flags & STELE_FIELD_ATTRIBUTES) != 0;
    struct stele_json_place inner = *place;
    struct stele_wire wire = stele_wire_of(bytes);
    struct stele_wire_record record = {0};
    stele_view key = stele_view_of(NULL, 0);
    stele_status st = STELE_OK;
    inner.index = 0;
    put(w, attributes ? "{" : "[");
    while (st == STELE_OK && !stele_wire_at_end(&wire)) {
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return REFUSE(w, place, "%s", wire.problem); /* the scan came through: not reached */
        }
        if (record.number != number) {
            continue;
        }
        if (attributes) {
            st = put_attribute(w, &inner, record.bytes, &key);
        } else {
            put(w, inner.index > 0 ? "," : "");
            st = put_value(w, &inner, field, &record);
        }
        inner.index++;
    }
    put(w, attributes ? "}" : "]");
    return st;
}

/* A default says nothing, except in a oneof and in messages, which are there or not. */
static bool is_default(const struct stele_message *message, const struct stele_field *field,
                       const struct stele_wire_record *record) {
    if (is_repeated(field) || field->kind == STELE_KIND_MESSAGE ||
        (message->oneof & BIT(record->number)) != 0) {
        return false;
    }
    return is_bytes(field) ? record->bytes.size == 0 : record->value == 0;
}

static stele_status put_members(struct writer *w, const struct stele_json_place *place,
                                const struct stele_message *message, stele_view bytes,
                                const struct found *found, uint64_t members, bool first) {
    stele_status st = STELE_OK;
    for (; st == STELE_OK && members != 0; members &= members - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(members);
        const struct stele_field *field = &message->field[number];
        const struct stele_wire_record *record = &found->record[number];
        const struct stele_json_place inner = {place, field, NULL, -1};
        char name[STELE_JSON_NAME_BYTES];
        if (is_default(message, field, record)) {
            continue;
        }
        stele_json__name(field, name);
        put(w, first ? "\"" : ",\"");
        put(w, name);
        put(w, "\":");
        first = false;
        st = is_repeated(field) ? put_repeated(w, &inner, number, field, bytes)
                                : put_value(w, &inner, field, record);
    }
    return st;
}

static stele_status put_message(struct writer *w, const struct stele_json_place *place,
                                const struct stele_message *message, stele_view bytes) {
    struct found found;
    stele_status st = scan(w, place, message, bytes, &found);
    if (st != STELE_OK) {
        return st;
    }
    if (message != &stele_message_table[STELE_MESSAGE_DIGEST]) {
        put(w, "{");
        st = put_members(w, place, message, bytes, &found, found.seen, true);
        put(w, "}");
        return st;
    }
    uint64_t details = found.seen & ~(BIT(STELE_DIGEST_ALG) | BIT(STELE_DIGEST_VALUE));
    if (details == 0) {
        put_digest_text(w, &found);
        return STELE_OK;
    }
    put(w, "{\"value\":");
    put_digest_text(w, &found);
    st = put_members(w, place, message, bytes, &found, details, false);
    put(w, "}");
    return st;
}

stele_status stele_event_json_encode(stele_view payload, stele_buf *json, stele_err *err) {
    size_t before = json->size;
    struct writer w = {stele_writer_to(json), err};
    stele_status st = put_message(&w, NULL, &stele_message_table[STELE_MESSAGE_EVENT], payload);
    if (st == STELE_OK) {
        st = stele_writer_end(&w.out, err);
    }
    if (st != STELE_OK) {
        json->size = before;
    }
    return st;
}
