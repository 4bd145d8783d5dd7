/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walker, rule by rule: every field of the schema at its limit and one beyond, every rule
 * between fields kept and broken, and the text that says so.
 */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_rules.h"
#include "tests/support/event_focus.h"

static stele_buf payload;
static stele_buf extra;
static stele_err last;

static stele_status check_event(uint32_t type, const struct focus_edit *edit, size_t n_edits) {
    struct stele_event_head head;
    stele_buf_clear(&payload);
    last.text[0] = '\0';
    focus_event(type, edit, n_edits, &payload);
    return stele_event_check(stele_view_buf(&payload), &head, &last);
}

/* The event around message `id` with field `number` replaced by the bytes in `extra`. */
static stele_status check_field(stele_message_id id, uint32_t number) {
    uint64_t oneof = stele_message_table[id].oneof;
    uint64_t siblings = (oneof & STELE_BIT(number)) != 0 ? oneof : 0;
    const struct focus_edit edit = {id, STELE_BIT(number) | siblings, stele_view_buf(&extra)};
    stele_status st = check_event(0, &edit, 1);
    stele_buf_clear(&extra);
    return st;
}

static void expect(stele_status st, const char *text) {
    if (st != STELE_INVALID || strcmp(last.text, text) != 0) {
        fail_msg("%s: \"%s\", expected INVALID: \"%s\"", stele_status_name(st), last.text, text);
    }
}

/* INVALID: "<path of the field>: <text>" */
static void expect_field(stele_status st, stele_message_id id, uint32_t number, const char *text) {
    const struct stele_field *field = &stele_message_table[id].field[number];
    char path[128];
    char all[512];
    focus_path(id, path);
    bool repeated = (field->flags & STELE_FIELD_REPEATED) != 0;
    (void)snprintf(all, sizeof all, "%s%s%s%s: %s", path, path[0] == '\0' ? "" : ".", field->name,
                   repeated ? "[0]" : "", text);
    expect(st, all);
}

static void expect_accepted(stele_status st, stele_message_id id, uint32_t number) {
    if (st != STELE_OK) {
        fail_msg("%s.%s: %s", stele_message_table[id].name,
                 stele_message_table[id].field[number].name, last.text);
    }
}

/* Fields whose values rules between fields narrow further; the rules have tests of their own. */
static bool ruled(stele_message_id id, uint32_t number) {
    return (id == STELE_MESSAGE_EVENT &&
            (number == STELE_EVENT_SCHEMA_VERSION || number == STELE_EVENT_EVENT_TYPE)) ||
           id == STELE_MESSAGE_DIGEST;
}

typedef void (*field_fn)(stele_message_id id, uint32_t number, const struct stele_field *field);

static void for_each_field(field_fn fn) {
    for (size_t id = 0; id < STELE_MESSAGE_COUNT; id++) {
        for (uint32_t number = 1; number < stele_message_table[id].n_field; number++) {
            const struct stele_field *field = &stele_message_table[id].field[number];
            if (field->kind != STELE_KIND_NONE) {
                fn((stele_message_id)id, number, field);
            }
        }
    }
}

static void test_event__smallest_event_of_each_body_is_accepted(void **state) {
    (void)state;
    for (uint32_t type = 1; type <= 12; type++) {
        struct stele_event_head head = {0};
        const struct focus_edit none = {STELE_MESSAGE_EVENT, 0, {NULL, 0}};
        stele_buf_clear(&payload);
        focus_event(type, &none, 1, &payload);
        stele_status st = stele_event_check(stele_view_buf(&payload), &head, &last);
        if (st != STELE_OK) {
            fail_msg("type %u: %s", (unsigned)type, last.text);
        }
        assert_int_equal(head.event_type, type);
    }
}

static void text_limits(stele_message_id id, uint32_t number, const struct stele_field *field) {
    char text[2048];
    char problem[64];
    if (field->kind != STELE_KIND_TEXT || ruled(id, number)) {
        return;
    }
    memset(text, 'x', sizeof text);
    focus_bytes(&extra, number, stele_view_of(text, field->max));
    expect_accepted(check_field(id, number), id, number);
    focus_bytes(&extra, number, stele_view_of(text, (size_t)field->max + 1));
    (void)snprintf(problem, sizeof problem, "%u bytes, at most %u", (unsigned)field->max + 1,
                   (unsigned)field->max);
    expect_field(check_field(id, number), id, number, problem);
}

static void test_event__every_string_has_its_limit(void **state) {
    (void)state;
    for_each_field(text_limits);
}

static const char *charset_problem(uint8_t charset) {
    static const char *const texts[] = {
        "holds a control character",
        "holds a control character other than tab, line feed and carriage return",
        "holds a character outside [A-Za-z0-9_.:/-]",
        "holds a character outside [a-z0-9._-]",
        "holds a character outside [A-Za-z0-9_.:/+=-]; send a keyed hash, not a name or an address",
    };
    return texts[charset];
}

static void text_charset(stele_message_id id, uint32_t number, const struct stele_field *field) {
    /* U+0000, U+001F, tab, e acute, 'A', 'a', '+', '/', '@'; at the end of 9 bytes and alone. */
    static const char *const tails[] = {"", "\x1f", "\t", "\xc3\xa9", "A", "a", "+", "/", "@"};
    static const char *const allowed[] = {"\xc3\xa9"
                                          "Aa+/@",
                                          "\t\xc3\xa9"
                                          "Aa+/@",
                                          "Aa/", "a", "Aa+/"};
    if (field->kind != STELE_KIND_TEXT || ruled(id, number)) {
        return;
    }
    for (size_t i = 0; i < 2 * (sizeof tails / sizeof *tails); i++) {
        const char *tail = tails[i / 2];
        size_t tail_size = tail[0] == '\0' ? 1 : strlen(tail);
        char text[16] = "xxxxxxxx";
        size_t lead = i % 2 == 0 || field->max < 12 ? 0 : 8;
        memcpy(text + lead, tail, tail_size);
        bool ok = tail[0] != '\0' && strstr(allowed[field->sub], tail) != NULL;
        focus_bytes(&extra, number, stele_view_of(text, lead + tail_size));
        stele_status st = check_field(id, number);
        if (ok) {
            expect_accepted(st, id, number);
        } else {
            expect_field(st, id, number, charset_problem(field->sub));
        }
    }
}

static void test_event__every_string_keeps_to_its_charset(void **state) {
    (void)state;
    for_each_field(text_charset);
}

static void test_event__strings_are_utf8(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        bool ok;
    } cases[] = {
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x7f", true},
        {"\x80", false},
        {"\xc0\xaf", false},
        {"\xc1\xbf", false},
        {"\xc3", false},
        {"\xc3(", false},
        {"\xe0\x9f\xbf", false},
        {"\xe2\x82", false},
        {"\xed\xa0\x80", false},
        {"\xed\xbf\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t lead = 0; lead < 17; lead += 8) {
            char text[32];
            memset(text, ' ', sizeof text);
            memcpy(text + lead, cases[i].bytes, strlen(cases[i].bytes));
            focus_bytes(&extra, 3, stele_view_of(text, lead + strlen(cases[i].bytes)));
            stele_status st = check_field(STELE_MESSAGE_ACTOR, 3);
            if (cases[i].ok) {
                assert_status(st, OK);
            } else {
                expect(st, "actor.name: is not UTF-8");
            }
        }
    }
}

static void bytes_limits(stele_message_id id, uint32_t number, const struct stele_field *field) {
    static uint8_t bytes[33000];
    char problem[96];
    if (field->kind != STELE_KIND_BYTES || ruled(id, number)) {
        return;
    }
    for (size_t size = 0; size <= (size_t)field->max + 1; size += size > 40 ? field->max - 40 : 1) {
        bool ok = size <= field->max;
        (void)snprintf(problem, sizeof problem, "%zu bytes, %u to %u", size, (unsigned)field->min,
                       (unsigned)field->max);
        if (field->sub == STELE_BYTES_HEX) {
            ok = size == 0 || size == field->max;
            (void)snprintf(problem, sizeof problem, "%zu bytes, %u if set", size,
                           (unsigned)field->max);
        } else if (field->sub == STELE_BYTES_IP) {
            ok = size == 0 || size == 4 || size == 16;
            (void)snprintf(problem, sizeof problem, "%zu bytes, 4 (IPv4) or 16 (IPv6) if set",
                           size);
        }
        focus_bytes(&extra, number, stele_view_of(bytes, size));
        stele_status st = check_field(id, number);
        if (ok) {
            expect_accepted(st, id, number);
        } else {
            expect_field(st, id, number, problem);
        }
    }
}

static void test_event__bytes_have_their_lengths(void **state) {
    (void)state;
    for_each_field(bytes_limits);
}

static void numbers(stele_message_id id, uint32_t number, const struct stele_field *field) {
    char problem[96];
    if (ruled(id, number) || (stele_message_table[id].oneof & STELE_BIT(number)) != 0) {
        return;
    }
    if (field->kind == STELE_KIND_ENUM) {
        const struct stele_enum *e = &stele_enum_table[field->sub];
        for (uint64_t value = 1; value < 130; value++) {
            focus_varint(&extra, number, value);
            stele_status st = check_field(id, number);
            if (value < e->n_word || (value == 99 && e->other)) {
                expect_accepted(st, id, number);
            } else {
                (void)snprintf(problem, sizeof problem, "%u is no value of %s", (unsigned)value,
                               e->name);
                expect_field(st, id, number, problem);
            }
        }
        focus_varint(&extra, number, UINT64_C(0x100000001)); /* 1, to a reader of 32 bits */
        (void)snprintf(problem, sizeof problem, "4294967297 is no value of %s", e->name);
        expect_field(check_field(id, number), id, number, problem);
    } else if (field->kind == STELE_KIND_UINT32) {
        focus_varint(&extra, number, field->max);
        expect_accepted(check_field(id, number), id, number);
        focus_varint(&extra, number, (uint64_t)field->max + 1);
        (void)snprintf(problem, sizeof problem, "%u, at most %u", (unsigned)field->max + 1,
                       (unsigned)field->max);
        expect_field(check_field(id, number), id, number, problem);
    } else if (field->kind == STELE_KIND_BOOL) {
        focus_varint(&extra, number, 2);
        expect_field(check_field(id, number), id, number, "2, 0 or 1");
    } else if (field->kind == STELE_KIND_DOUBLE) {
        static const uint64_t bad[] = {UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000),
                                       UINT64_C(0x7ff8000000000000), UINT64_C(0xfff0000000000001)};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            focus_fixed64(&extra, number, bad[i]);
            expect_field(check_field(id, number), id, number, "not a finite number");
        }
        focus_fixed64(&extra, number, UINT64_C(0x8000000000000000)); /* -0.0 */
        expect_accepted(check_field(id, number), id, number);
    }
}

static void test_event__numbers_are_in_range(void **state) {
    (void)state;
    for_each_field(numbers);
}

static void required(stele_message_id id, uint32_t number, const struct stele_field *field) {
    char problem[160];
    if ((field->flags & STELE_FIELD_REQUIRED) == 0) {
        return;
    }
    (void)snprintf(problem, sizeof problem, "missing; %s", field->why);
    expect_field(check_field(id, number), id, number, problem);
    if (field->kind == STELE_KIND_TEXT ||
        field->kind == STELE_KIND_BYTES) { /* the default: missing */
        focus_bytes(&extra, number, stele_view_of(NULL, 0));
        expect_field(check_field(id, number), id, number, problem);
    } else if (field->kind == STELE_KIND_ENUM) {
        focus_varint(&extra, number, 0);
        expect_field(check_field(id, number), id, number, problem);
    } else if (field->kind == STELE_KIND_TIME) {
        focus_fixed64(&extra, number, 0);
        expect_field(check_field(id, number), id, number, problem);
    }
}

static void test_event__required_fields_are_required(void **state) {
    (void)state;
    for_each_field(required);
}

static void repetition(stele_message_id id, uint32_t number, const struct stele_field *field) {
    char problem[64];
    bool attributes = (field->flags & STELE_FIELD_ATTRIBUTES) != 0;
    uint32_t count = (field->flags & STELE_FIELD_REPEATED) != 0 ? field->count : 1;
    if (attributes || (stele_message_table[id].oneof & STELE_BIT(number)) != 0) {
        return; /* both have a test of their own */
    }
    for (uint32_t i = 0; i < count; i++) {
        focus_value(&extra, number, field);
    }
    bool narrowed = ruled(id, number) &&
                    (number == STELE_DIGEST_KEY_ID || number == STELE_EVENT_SCHEMA_VERSION);
    if (!narrowed && !(id == STELE_MESSAGE_EVENT && number == STELE_EVENT_EVENT_TYPE)) {
        expect_accepted(check_field(id, number), id, number);
    }
    stele_buf_clear(&extra);
    for (uint32_t i = 0; i < count + 1; i++) {
        focus_value(&extra, number, field);
    }
    stele_status st = check_field(id, number);
    if (count == 1) {
        expect_field(st, id, number, "occurs twice");
    } else {
        char path[128];
        char all[256];
        focus_path(id, path);
        (void)snprintf(problem, sizeof problem, "one more than the %u allowed", (unsigned)count);
        (void)snprintf(all, sizeof all, "%s%s%s[%u]: %s", path, path[0] == '\0' ? "" : ".",
                       field->name, (unsigned)count, problem);
        expect(st, all);
    }
}

static void test_event__singular_once_repeated_so_often(void **state) {
    (void)state;
    for_each_field(repetition);
}

static void wire_type(stele_message_id id, uint32_t number, const struct stele_field *field) {
    char problem[64];
    stele_buf right = STELE_BUF_EMPTY;
    focus_value(&right, number, field);
    unsigned type = field->kind == STELE_KIND_SINT64 ? 0 : right.data[0] & 7u;
    static const uint8_t zeros[8] = {0};
    for (unsigned wrong = 0; wrong < 6; wrong++) {
        if (wrong == type || wrong == 3 || wrong == 4) {
            continue;
        }
        uint8_t tag[2] = {(uint8_t)((number << 3 | wrong) & 0x7f), (uint8_t)(number >> 4)};
        tag[0] = number > 15 ? (uint8_t)(tag[0] | 0x80) : tag[0];
        assert_ok(stele_buf_append(&extra, stele_view_of(tag, number > 15 ? 2 : 1), NULL));
        size_t size = wrong == 1 ? 8 : (wrong == 5 ? 4 : 1);
        assert_ok(stele_buf_append(&extra, stele_view_of(zeros, size), NULL));
        stele_status st = check_field(id, number);
        (void)snprintf(problem, sizeof problem, "wire type %u, %u by the schema", wrong, type);
        /* The count is not yet known when the wire type is wrong: no index in the path. */
        struct stele_field singular = *field;
        singular.flags = 0;
        char path[128];
        char all[256];
        focus_path(id, path);
        (void)snprintf(all, sizeof all, "%s%s%s: %s", path, path[0] == '\0' ? "" : ".",
                       singular.name, problem);
        expect(st, all);
    }
    stele_buf_done(&right);
}

static void test_event__wire_types_are_the_schemas(void **state) {
    (void)state;
    for_each_field(wire_type);
}

static void empty_items(stele_message_id id, uint32_t number, const struct stele_field *field) {
    char problem[64];
    if (field->kind == STELE_KIND_TEXT && (field->flags & STELE_FIELD_REPEATED) != 0) {
        focus_text(&extra, number, "");
        (void)snprintf(problem, sizeof problem, "empty; leave it out or give it 1..%u bytes",
                       (unsigned)field->max);
        expect_field(check_field(id, number), id, number, problem);
    }
}

static void test_event__repeated_strings_are_not_empty(void **state) {
    (void)state;
    for_each_field(empty_items);
}

static void bodies(stele_message_id id, uint32_t number, const struct stele_field *field) {
    if (id != STELE_MESSAGE_EVENT || (field->flags & STELE_FIELD_ONEOF) == 0) {
        return;
    }
    char text[128];
    focus_value(&extra, number, field);
    const struct focus_edit second = {STELE_MESSAGE_EVENT, 0, stele_view_buf(&extra)};
    stele_status st = check_event(12, &second, 1);
    stele_buf_clear(&extra);
    (void)snprintf(text, sizeof text, "%s: %s", field->name,
                   number == 51 ? "occurs twice" : "a second member of a oneof; set exactly one");
    expect(st, text);
    if (number != 51) { /* the body without its event_type, and no body at all */
        const struct focus_edit other = {
            STELE_MESSAGE_EVENT, STELE_BIT(5), {(const uint8_t *)"\x28\x0c", 2}};
        expect(check_event(number - STELE_BODY_NUMBER_BASE, &other, 1),
               "event_type: generic, but the body is another one; they must agree");
        const struct focus_edit none = {STELE_MESSAGE_EVENT, STELE_BIT(number), {NULL, 0}};
        (void)snprintf(text, sizeof text, "%s: missing; event_type says this is the body",
                       field->name);
        expect(check_event(number - STELE_BODY_NUMBER_BASE, &none, 1), text);
    }
}

static void test_event__body_agrees_with_type_and_is_one(void **state) {
    (void)state;
    for_each_field(bodies);
}

static int done(void **state) {
    (void)state;
    stele_buf_done(&payload);
    stele_buf_done(&extra);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__smallest_event_of_each_body_is_accepted),
        cmocka_unit_test(test_event__every_string_has_its_limit),
        cmocka_unit_test(test_event__every_string_keeps_to_its_charset),
        cmocka_unit_test(test_event__strings_are_utf8),
        cmocka_unit_test(test_event__bytes_have_their_lengths),
        cmocka_unit_test(test_event__numbers_are_in_range),
        cmocka_unit_test(test_event__required_fields_are_required),
        cmocka_unit_test(test_event__singular_once_repeated_so_often),
        cmocka_unit_test(test_event__wire_types_are_the_schemas),
        cmocka_unit_test(test_event__repeated_strings_are_not_empty),
        cmocka_unit_test(test_event__body_agrees_with_type_and_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
