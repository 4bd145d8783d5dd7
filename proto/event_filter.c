/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/event_filter.c: conditions and whether an event meets them. A condition's value has the
 * bytes the event map gives a key of its field, so that a match is one comparison of bytes.
 */
#include "proto/event_filter.h"

#include <inttypes.h>
#include <string.h>

#include "proto/event.h"
#include "proto/question_format.h"
#include "proto/text.h"
#include "storage/cursor.h"

/* No key of an event that passed stele_event_check is longer: the longest is the id of a resource,
 * 512 bytes, with its version, 128, and the length before it. */
#define VALUE_BYTES_MAX 1024
#define OUTCOME_SUCCESS 1

void stele_event_filter_init(struct stele_event_filter *filter) {
    memset(filter, 0, sizeof *filter);
    filter->until_unix_nano = UINT64_MAX;
    filter->logged_until_us = UINT64_MAX;
}

void stele_event_filter_done(struct stele_event_filter *filter) {
    stele_buf_done(&filter->tenant);
    for (size_t i = 0; i < filter->n_conditions; i++) {
        stele_buf_done(&filter->condition[i].value);
    }
    stele_event_filter_init(filter);
}

/* ------------------------------------------------------------------ building */

static bool is_number(stele_key_field field) {
    return field == STELE_KEY_EVENT_TYPE || field == STELE_KEY_ACTION || field == STELE_KEY_OUTCOME;
}

static bool is_pair(stele_key_field field) {
    return field == STELE_KEY_RESOURCE_VERSION || field == STELE_KEY_MODEL_VERSION;
}

/* NULL, or why no key of this field has this value. */
static const char *value_problem(stele_key_field field, stele_view value) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (value.size == 0 || value.size > VALUE_BYTES_MAX) {
        return "values have 1 to 1,024 bytes";
    }
    if (is_number(field)) {
        return value.size == 4 && stele_get_u32(value.data) != 0
                   ? NULL
                   : "4 bytes that are not all 0 are needed";
    }
    if (is_pair(field)) {
        size_t id = value.size < 2 ? 0 : stele_get_u16(value.data);
        return id > 0 && id < value.size - 2 ? NULL : "an id and a version are needed";
    }
    if (field == STELE_KEY_CLIENT_IP) {
        bool good =
            value.size == 4 || (value.size == 16 && memcmp(value.data, mapped, sizeof mapped) != 0);
        return good ? NULL : "4 or 16 bytes are needed, and IPv4 in 4";
    }
    if (field == STELE_KEY_DIGEST && value.size < 2) {
        return "an algorithm and a digest are needed";
    }
    return NULL;
}

stele_status stele_event_filter__add_raw(struct stele_event_filter *filter, stele_key_field field,
                                         stele_view value, stele_err *err) {
    const char *name = stele_key_field_name(field);
    if (name == NULL || field == STELE_KEY_TENANT) {
        return STELE_FAIL(
            err, INVALID,
            "filter: field %u is no key an event is searched by; the tenant has a place "
            "of its own",
            (unsigned)field);
    }
    if (filter->n_conditions == STELE_FILTER_CONDITIONS_MAX) {
        return STELE_FAIL(err, LIMIT, "filter: more than %d conditions; ask for fewer",
                          STELE_FILTER_CONDITIONS_MAX);
    }
    const char *problem = value_problem(field, value);
    if (problem != NULL) {
        return STELE_FAIL(err, INVALID, "filter: no %s has the value of %zu bytes asked for: %s",
                          name, value.size, problem);
    }
    struct stele_event_condition made = {(uint8_t)field, STELE_BUF_EMPTY};
    stele_status st = stele_buf_append(&made.value, value, err);
    if (st == STELE_OK) {
        filter->condition[filter->n_conditions++] = made;
    }
    return st;
}

stele_status stele_event_filter_add(struct stele_event_filter *filter, stele_key_field field,
                                    stele_view value, stele_err *err) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (is_number(field) || is_pair(field)) {
        return STELE_FAIL(err, INVALID, "filter: %s is asked for by %s, not by a string",
                          stele_key_field_name(field),
                          is_number(field) ? "number" : "id and version");
    }
    if (field == STELE_KEY_CLIENT_IP && value.size == 16 &&
        memcmp(value.data, mapped, sizeof mapped) == 0) {
        value = stele_view_slice(value, sizeof mapped, 4); /* as the map does */
    }
    return stele_event_filter__add_raw(filter, field, value, err);
}

stele_status stele_event_filter_add_number(struct stele_event_filter *filter, stele_key_field field,
                                           uint32_t number, stele_err *err) {
    uint8_t value[4];
    stele_put_u32(value, number);
    if (!is_number(field) || number == 0) {
        return STELE_FAIL(err, INVALID,
                          "filter: field %u with the number %" PRIu32
                          "; event type, action and outcome "
                          "are asked for by number, from 1",
                          (unsigned)field, number);
    }
    return stele_event_filter__add_raw(filter, field, stele_view_of(value, sizeof value), err);
}

stele_status stele_event_filter_add_version(struct stele_event_filter *filter,
                                            stele_key_field field, stele_view id,
                                            stele_view version, stele_err *err) {
    stele_buf value = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (!is_pair(field) || id.size == 0 || version.size == 0) {
        return STELE_FAIL(
            err, INVALID,
            "filter: field %u with an id of %zu and a version of %zu bytes; resource and "
            "model version need both",
            (unsigned)field, id.size, version.size);
    }
    struct stele_writer w = stele_writer_to(&value);
    stele_write_lp(&w,
                   stele_view_slice(id, 0, id.size < VALUE_BYTES_MAX ? id.size : VALUE_BYTES_MAX));
    stele_write_view(&w, version);
    STELE_TRY(stele_writer_end(&w, err));
    STELE_TRY(stele_event_filter__add_raw(filter, field, stele_view_buf(&value), err));
cleanup:
    stele_buf_done(&value);
    return st;
}

/* ------------------------------------------------------------------ matching */

bool stele_event_condition_is_indexed(const struct stele_event_condition *condition) {
    return condition->field != STELE_KEY_OUTCOME ||
           stele_get_u32(condition->value.data) != OUTCOME_SUCCESS;
}

/* Half-open; UINT64_MAX is an open end, which that very number is still inside of. */
static bool is_within(uint64_t time, uint64_t since, uint64_t until) {
    return time >= since && (time < until || until == UINT64_MAX);
}

static bool condition_holds(const struct stele_event_condition *condition,
                            const struct stele_event_facts *facts) {
    bool indexed = stele_event_condition_is_indexed(condition);
    size_t size = condition->value.size;
    for (size_t i = 0; i < facts->n_keys; i++) {
        const struct stele_event_key *key = &facts->key[i];
        if (key->field != condition->field) {
            continue;
        }
        if (!indexed) {
            return false; /* another outcome has a key, success has none */
        }
        if (key->value.size == size && memcmp(key->value.data, condition->value.data, size) == 0) {
            return true;
        }
    }
    return !indexed;
}

bool stele_event_filter_matches(const struct stele_event_filter *filter,
                                const struct stele_event_facts *facts, uint64_t log_time_us) {
    if (!is_within(facts->time_unix_nano, filter->since_unix_nano, filter->until_unix_nano) ||
        !is_within(log_time_us, filter->logged_since_us, filter->logged_until_us)) {
        return false;
    }
    if (filter->tenant.size > 0 &&
        !stele_view_equal(stele_view_buf(&filter->tenant), facts->tenant)) {
        return false;
    }
    for (size_t i = 0; i < filter->n_conditions; i++) {
        if (!condition_holds(&filter->condition[i], facts)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ printing */

/* Text as it is if it has no control characters and is UTF-8; else each byte that is not printable
 * ASCII as \xNN: values come from files of anybody and go to terminals. */
static stele_status print_text(stele_view text, stele_buf *out, stele_err *err) {
    bool plain = stele_text_problem(text, STELE_CHARSET_PLAIN) == NULL;
    stele_status st = STELE_OK;
    for (size_t i = 0; i < text.size && st == STELE_OK; i++) {
        uint8_t c = text.data[i];
        /* U+0080 to U+009F are C2 80 to C2 9F: control characters too. */
        bool c1 = (c == 0xc2 && i + 1 < text.size && text.data[i + 1] < 0xa0) ||
                  (i > 0 && text.data[i - 1] == 0xc2 && c < 0xa0);
        bool shown = (c >= 0x20 && c < 0x7f) || (plain && c >= 0x80 && !c1);
        st = shown ? stele_buf_append(out, stele_view_of(&c, 1), err)
                   : stele_buf_printf(out, err, "\\x%02x", c);
    }
    return st;
}

static stele_status print_hex(stele_view bytes, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < bytes.size && st == STELE_OK; i++) {
        st = stele_buf_printf(out, err, "%02x", bytes.data[i]);
    }
    return st;
}

static stele_status print_ip(stele_view ip, stele_buf *out, stele_err *err) {
    const uint8_t *b = ip.data;
    if (ip.size == 4) {
        return stele_buf_printf(out, err, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    }
    stele_status st = STELE_OK;
    for (size_t i = 0; i + 1 < ip.size && st == STELE_OK; i += 2) {
        st = stele_buf_printf(out, err, "%s%x", i == 0 ? "" : ":", (unsigned)stele_get_u16(b + i));
    }
    return st;
}

static stele_status print_digest(stele_view value, stele_buf *out, stele_err *err) {
    const char *word = stele_event_enum_word("HashAlg", value.data[0]);
    stele_status st = word == NULL ? stele_buf_printf(out, err, "#%u:", value.data[0])
                                   : stele_buf_printf(out, err, "%s:", word);
    return st == STELE_OK ? print_hex(stele_view_slice(value, 1, value.size - 1), out, err) : st;
}

static stele_status print_pair(stele_view value, stele_buf *out, stele_err *err) {
    size_t id = stele_get_u16(value.data);
    stele_status st = print_text(stele_view_slice(value, 2, id), out, err);
    if (st == STELE_OK) {
        st = stele_buf_printf(out, err, ", version ");
    }
    return st == STELE_OK
               ? print_text(stele_view_slice(value, 2 + id, value.size - 2 - id), out, err)
               : st;
}

stele_status stele_event_condition_print(const struct stele_event_condition *condition,
                                         stele_buf *out, stele_err *err) {
    stele_key_field field = (stele_key_field)condition->field;
    stele_view value = stele_view_buf(&condition->value);
    stele_status st = stele_buf_printf(out, err, "%s = ", stele_key_field_name(field));
    if (st != STELE_OK) {
        return st;
    }
    if (is_number(field)) {
        return stele_buf_printf(out, err, "%" PRIu32, stele_get_u32(value.data));
    }
    if (is_pair(field)) {
        return print_pair(value, out, err);
    }
    if (field == STELE_KEY_CLIENT_IP) {
        return print_ip(value, out, err);
    }
    if (field == STELE_KEY_DIGEST) {
        return print_digest(value, out, err);
    }
    /* A trace id is 16 raw bytes among the texts of its field. */
    bool raw = field == STELE_KEY_CORRELATION && value.size == 16 &&
               stele_text_problem(value, STELE_CHARSET_PLAIN) != NULL;
    return raw ? print_hex(value, out, err) : print_text(value, out, err);
}
