/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_json_read.c: JSON -> protobuf, driven by the schema table.
 *
 * Only the form is judged here: names, types, spellings. Whether the event keeps the schema's
 * limits and rules is for stele_event_check, which every result passes before it is handed out.
 * Fields are written in ascending order and defaults left out, so that equal JSON makes equal
 * bytes.
 */
#include "proto/event_json.h"

#include <stdlib.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_json_place.h"
#include "proto/event_json_text.h"
#include "proto/wire_out.h"
#include "storage/base64.h"

#define ATTRIBUTES_MAX 64 /* of one list, by the schema */

struct reader {
    struct stele_wire_out out;
    stele_err *err;
};

#define REFUSE(r, place, ...) STELE_JSON_REFUSE((r)->err, (place), __VA_ARGS__)

static const char *type_name(const json_t *json) {
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null; leave the member out";
}

static stele_view string_view(const json_t *json) {
    return stele_view_of(json_string_value(json), json_string_length(json));
}

static stele_status need(struct reader *r, const struct stele_json_place *place, const json_t *json,
                         bool right, const char *expected) {
    if (!right) {
        return REFUSE(r, place, "%s expected, not %s", expected, type_name(json));
    }
    return STELE_OK;
}

/* Puts the place before what a parser of single values said. */
static stele_status placed(struct reader *r, const struct stele_json_place *place, stele_status st,
                           const stele_err *detail) {
    if (st == STELE_INVALID) {
        return REFUSE(r, place, "%s", detail->text);
    }
    if (st != STELE_OK && r->err != NULL) {
        *r->err = *detail;
    }
    return st;
}

static stele_status read_unsigned(struct reader *r, const struct stele_json_place *place,
                                  const json_t *json, uint64_t *ret) {
    stele_err detail;
    if (json_is_integer(json) && json_integer_value(json) >= 0) {
        *ret = (uint64_t)json_integer_value(json);
        return STELE_OK;
    }
    if (json_is_integer(json)) {
        return REFUSE(r, place, "no integer from 0 to 2^64 - 1");
    }
    stele_status st = need(r, place, json, json_is_string(json), "an integer");
    return st != STELE_OK
               ? st
               : placed(r, place, stele_json__parse_u64(string_view(json), ret, &detail), &detail);
}

static stele_status read_time(struct reader *r, const struct stele_json_place *place,
                              const json_t *json, uint64_t *ret) {
    stele_err detail;
    stele_status st = need(r, place, json, json_is_string(json), "an RFC 3339 time in a string");
    return st != STELE_OK
               ? st
               : placed(r, place, stele_time_parse(string_view(json), ret, &detail), &detail);
}

static uint64_t double_bits(double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Numbers of the oneof are written also where they are 0: which member is set matters. */
static void write_explicit(struct reader *r, uint32_t number, uint64_t value, bool fixed64) {
    static const uint8_t zeros[8] = {0};
    if (value != 0) {
        if (fixed64) {
            stele_wire_out_fixed64(&r->out, number, value);
        } else {
            stele_wire_out_uint(&r->out, number, value);
        }
        return;
    }
    uint8_t tag = (uint8_t)(number << 3 | (fixed64 ? 1u : 0u)); /* numbers below 16: one byte */
    if (stele_buf_append(r->out.buf, stele_view_of(&tag, 1), NULL) != STELE_OK ||
        stele_buf_append(r->out.buf, stele_view_of(zeros, fixed64 ? 8 : 1), NULL) != STELE_OK) {
        r->out.failed = true;
    }
}

static stele_status read_base64(struct reader *r, const struct stele_json_place *place,
                                uint32_t number, stele_view text, bool explicit_value) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_err detail;
    stele_status st = placed(r, place, stele_base64_decode(text, &bytes, &detail), &detail);
    if (st == STELE_OK && (bytes.size > 0 || explicit_value)) {
        stele_wire_out_element(&r->out, number, stele_view_buf(&bytes));
    }
    stele_buf_done(&bytes);
    return st;
}

static stele_status read_bytes(struct reader *r, const struct stele_json_place *place,
                               uint32_t number, const struct stele_field *field,
                               const json_t *json) {
    uint8_t bytes[STELE_DIGEST_BYTES_MAX];
    size_t size = 0;
    stele_err detail;
    stele_status st = need(r, place, json, json_is_string(json), "a string");
    if (st != STELE_OK) {
        return st;
    }
    if (field->sub == STELE_BYTES_BASE64) {
        return read_base64(r, place, number, string_view(json), false);
    }
    if (field->sub == STELE_BYTES_HEX) {
        st = stele_json__parse_hex(string_view(json), bytes, &size, &detail);
    } else if (json_string_length(json) > 0) {
        st = stele_json__parse_ip(json_string_value(json), bytes, &size, &detail);
    }
    st = placed(r, place, st, &detail);
    if (st == STELE_OK) {
        stele_wire_out_bytes(&r->out, number, stele_view_of(bytes, size));
    }
    return st;
}

/* "sha256:<hex>" into alg and value. */
static stele_status read_digest_text(struct reader *r, const struct stele_json_place *place,
                                     stele_view text) {
    uint8_t value[STELE_DIGEST_BYTES_MAX];
    uint64_t alg = 0;
    size_t size = 0;
    stele_err detail;
    stele_status st =
        placed(r, place, stele_json__parse_digest(text, &alg, value, &size, &detail), &detail);
    if (st == STELE_OK) {
        stele_wire_out_uint(&r->out, STELE_DIGEST_ALG, alg);
        stele_wire_out_bytes(&r->out, STELE_DIGEST_VALUE, stele_view_of(value, size));
    }
    return st;
}

static stele_status read_message(struct reader *r, const struct stele_json_place *place,
                                 const struct stele_message *message, uint32_t first,
                                 const json_t *json, size_t n_read);

/* A string, or an object whose "value" is that string and whose other members are fields 3 to 5. */
static stele_status read_digest(struct reader *r, const struct stele_json_place *place,
                                const json_t *json) {
    if (json_is_string(json)) {
        return read_digest_text(r, place, string_view(json));
    }
    stele_status st = need(r, place, json, json_is_object(json), "a string or an object");
    if (st != STELE_OK) {
        return st;
    }
    const struct stele_message *digest = &stele_message_table[STELE_MESSAGE_DIGEST];
    const struct stele_json_place inner = {place, &digest->field[STELE_DIGEST_VALUE], NULL, -1};
    const json_t *value = json_object_get(json, "value");
    if (!json_is_string(value)) {
        return REFUSE(r, &inner, "missing; the digest as \"sha256:<hex>\"");
    }
    st = read_digest_text(r, &inner, string_view(value));
    return st != STELE_OK ? st
                          : read_message(r, place, digest, STELE_DIGEST_CONTENT_BYTES, json, 1);
}

static stele_status read_attribute_value(struct reader *r, const struct stele_json_place *place,
                                         const json_t *json) {
    switch (json_typeof(json)) {
    case JSON_STRING:
        stele_wire_out_element(&r->out, STELE_ATTRIBUTE_S, string_view(json));
        return STELE_OK;
    case JSON_INTEGER: {
        int64_t value = json_integer_value(json);
        uint64_t zigzag = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
        write_explicit(r, STELE_ATTRIBUTE_I, zigzag, false);
        return STELE_OK;
    }
    case JSON_REAL:
        write_explicit(r, STELE_ATTRIBUTE_D, double_bits(json_real_value(json)), true);
        return STELE_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        write_explicit(r, STELE_ATTRIBUTE_B, json_is_true(json) ? 1 : 0, false);
        return STELE_OK;
    case JSON_OBJECT: {
        const json_t *bin = json_object_get(json, "bin");
        if (json_object_size(json) == 1 && json_is_string(bin)) {
            return read_base64(r, place, STELE_ATTRIBUTE_BIN, string_view(bin), true);
        }
        break;
    }
    case JSON_ARRAY:
    case JSON_NULL:
        break;
    }
    return need(r, place, json, false, "a string, number, true, false or {\"bin\":\"<base64>\"}");
}

struct attribute {
    const char *key;
    const json_t *value;
};

static int by_key(const void *a, const void *b) {
    return strcmp(((const struct attribute *)a)->key, ((const struct attribute *)b)->key);
}

/* jansson iterates over mutable objects only, although it changes nothing. */
static json_t *iterable(const json_t *json) {
    return (json_t *)(uintptr_t)json;
}

/* One object into messages in ascending order of keys. */
static stele_status read_attributes(struct reader *r, const struct stele_json_place *place,
                                    uint32_t number, const json_t *json) {
    struct attribute list[ATTRIBUTES_MAX];
    size_t n = 0;
    stele_status st = need(r, place, json, json_is_object(json), "an object");
    if (st != STELE_OK) {
        return st;
    }
    if (json_object_size(json) > ATTRIBUTES_MAX) {
        return REFUSE(r, place, "%zu members, at most %d", json_object_size(json), ATTRIBUTES_MAX);
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(iterable(json), key, value) {
        list[n++] = (struct attribute){key, value};
    }
    qsort(list, n, sizeof *list, by_key);
    for (size_t i = 0; i < n && st == STELE_OK; i++) {
        const struct stele_json_place inner = {place->up, place->field, list[i].key, -1};
        size_t mark = stele_wire_out_begin(&r->out, number);
        stele_wire_out_bytes(&r->out, STELE_ATTRIBUTE_KEY, stele_view_str(list[i].key));
        st = read_attribute_value(r, &inner, list[i].value);
        stele_wire_out_end(&r->out, mark);
    }
    return st;
}

static stele_status read_double(struct reader *r, const struct stele_json_place *place,
                                const json_t *json, uint64_t *ret) {
    *ret = double_bits(json_number_value(json));
    return need(r, place, json, json_is_number(json), "a number");
}

/* One value of the field. Repeated strings and messages are written also where they are empty. */
static stele_status read_value(struct reader *r, const struct stele_json_place *place,
                               uint32_t number, const struct stele_field *field,
                               const json_t *json) {
    uint64_t value = 0;
    stele_err detail;
    stele_status st = STELE_OK;
    switch ((stele_kind)field->kind) {
    case STELE_KIND_TEXT:
        st = need(r, place, json, json_is_string(json), "a string");
        if (st == STELE_OK && (field->flags & STELE_FIELD_REPEATED) != 0) {
            stele_wire_out_element(&r->out, number, string_view(json));
        } else if (st == STELE_OK) {
            stele_wire_out_bytes(&r->out, number, string_view(json));
        }
        return st;
    case STELE_KIND_BYTES:
        return read_bytes(r, place, number, field, json);
    case STELE_KIND_MESSAGE: {
        size_t mark = stele_wire_out_begin(&r->out, number);
        st = field->sub == STELE_MESSAGE_DIGEST
                 ? read_digest(r, place, json)
                 : read_message(r, place, &stele_message_table[field->sub], 1, json, 0);
        stele_wire_out_end(&r->out, mark);
        return st;
    }
    case STELE_KIND_ENUM:
        st = need(r, place, json, json_is_string(json), "a word in a string");
        if (st == STELE_OK) {
            const struct stele_enum *e = &stele_enum_table[field->sub];
            st = placed(r, place, stele_json__parse_enum(e, string_view(json), &value, &detail),
                        &detail);
        }
        break;
    case STELE_KIND_BOOL:
        st = need(r, place, json, json_is_boolean(json), "true or false");
        value = json_is_true(json) ? 1 : 0;
        break;
    case STELE_KIND_UINT32:
    case STELE_KIND_UINT64:
        st = read_unsigned(r, place, json, &value);
        break;
    case STELE_KIND_TIME:
        st = read_time(r, place, json, &value);
        break;
    case STELE_KIND_DOUBLE:
        st = read_double(r, place, json, &value);
        break;
    case STELE_KIND_SINT64:
    case STELE_KIND_NONE:
        return STELE_FAIL(r->err, BUG, "the schema table has a kind without a JSON form");
    }
    if (st == STELE_OK && (field->kind == STELE_KIND_TIME || field->kind == STELE_KIND_DOUBLE)) {
        stele_wire_out_fixed64(&r->out, number, value);
    } else if (st == STELE_OK) {
        stele_wire_out_uint(&r->out, number, value);
    }
    return st;
}

static stele_status read_array(struct reader *r, const struct stele_json_place *place,
                               uint32_t number, const struct stele_field *field,
                               const json_t *json) {
    stele_status st = need(r, place, json, json_is_array(json), "an array");
    if (st == STELE_OK && json_array_size(json) > field->count) {
        return REFUSE(r, place, "%zu elements, at most %u", json_array_size(json),
                      (unsigned)field->count);
    }
    for (size_t i = 0; st == STELE_OK && i < json_array_size(json); i++) {
        const struct stele_json_place inner = {place->up, place->field, NULL, (int)i};
        st = read_value(r, &inner, number, field, json_array_get(json, i));
    }
    return st;
}

/* Finds the member that no field from `first` on accounts for. */
static stele_status refuse_unknown(struct reader *r, const struct stele_json_place *place,
                                   const struct stele_message *message, const json_t *json) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(iterable(json), key, value) {
        bool known = false;
        for (uint32_t number = 1; number < message->n_field; number++) {
            char name[STELE_JSON_NAME_BYTES];
            if (message->field[number].kind != STELE_KIND_NONE) {
                stele_json__name(&message->field[number], name);
                known = known || strcmp(name, key) == 0;
            }
        }
        if (!known ||
            (message == &stele_message_table[STELE_MESSAGE_DIGEST] && strcmp(key, "alg") == 0)) {
            char shown[STELE_JSON_SHOWN_BYTES];
            return REFUSE(r, place, "no member \"%s\" in %s",
                          stele_json__shown(stele_view_str(key), shown), message->name);
        }
    }
    return STELE_FAIL(r->err, BUG, "a JSON object of %s was miscounted", message->name);
}

/* The members of fields `first` and above; `n_read` members of the object were read before. */
static stele_status read_message(struct reader *r, const struct stele_json_place *place,
                                 const struct stele_message *message, uint32_t first,
                                 const json_t *json, size_t n_read) {
    stele_status st = need(r, place, json, json_is_object(json), "an object");
    for (uint32_t number = first; st == STELE_OK && number < message->n_field; number++) {
        const struct stele_field *field = &message->field[number];
        char name[STELE_JSON_NAME_BYTES];
        if (field->kind == STELE_KIND_NONE) {
            continue;
        }
        stele_json__name(field, name);
        const json_t *value = json_object_get(json, name);
        if (value == NULL) {
            continue;
        }
        const struct stele_json_place inner = {place, field, NULL, -1};
        n_read++;
        if ((field->flags & STELE_FIELD_ATTRIBUTES) != 0) {
            st = read_attributes(r, &inner, number, value);
        } else if ((field->flags & STELE_FIELD_REPEATED) != 0) {
            st = read_array(r, &inner, number, field, value);
        } else {
            st = read_value(r, &inner, number, field, value);
        }
    }
    if (st == STELE_OK && n_read != json_object_size(json)) {
        st = refuse_unknown(r, place, message, json);
    }
    return st;
}

stele_status stele_event_json_decode_value(const json_t *json, stele_buf *payload, stele_err *err) {
    size_t before = payload->size;
    struct stele_event_head head;
    struct reader r = {stele_wire_out_to(payload), err};
    const struct stele_message *event = &stele_message_table[STELE_MESSAGE_EVENT];
    stele_status st = STELE_OK;
    STELE_TRY(need(&r, NULL, json, json_is_object(json), "an object"));
    STELE_TRY(read_message(&r, NULL, event, 1, json, 0));
    STELE_TRY(stele_wire_out_done(&r.out, before, err));
    STELE_TRY(stele_event_check(
        stele_view_slice(stele_view_buf(payload), before, payload->size - before), &head, err));
cleanup:
    if (st != STELE_OK) {
        payload->size = before;
    }
    return st;
}

/* The parser recurses on nesting: its depth is bounded before it starts. */
static stele_status check_depth(stele_view json, stele_err *err) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.size; i++) {
        uint8_t c = json.data[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > STELE_EVENT_JSON_DEPTH_MAX) {
                return STELE_FAIL(err, INVALID, "event: JSON nested over %d deep at byte %zu",
                                  STELE_EVENT_JSON_DEPTH_MAX, i);
            }
        } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return STELE_OK;
}

stele_status stele_event_json_decode(stele_view json, stele_buf *payload, stele_err *err) {
    json_error_t detail;
    if (json.size > STELE_EVENT_JSON_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT, "event: JSON of %zu bytes, at most %d", json.size,
                          STELE_EVENT_JSON_BYTES_MAX);
    }
    stele_status st = check_depth(json, err);
    if (st != STELE_OK) {
        return st;
    }
    json_t *value = json_loadb(json.size == 0 ? "" : (const char *)json.data, json.size,
                               JSON_REJECT_DUPLICATES, &detail);
    if (value == NULL) {
        char shown[STELE_JSON_SHOWN_BYTES];
        return STELE_FAIL(err, INVALID, "event: no JSON at line %d, column %d: %s", detail.line,
                          detail.column, stele_json__shown(stele_view_str(detail.text), shown));
    }
    st = stele_event_json_decode_value(value, payload, err);
    json_decref(value);
    return st;
}
