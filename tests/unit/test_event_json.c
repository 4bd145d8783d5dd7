/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form: golden texts (tests/golden/v1/events.py), what is read leniently, what is refused.
 */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_json.h"
#include "proto/event_json_text.h"
#include "tests/support/event_focus.h"
#include "tests/support/vectors.h"

static stele_err last;

static void test_event_json__texts_are_the_golden_ones(void **state) {
    (void)state;
    json_t *file = vectors_load(STELE_SOURCE_DIR "/tests/golden/v1/event_json.json");
    const json_t *cases = json_object_get(file, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const char *expected = vectors_text(c, "json");
        stele_buf payload = STELE_BUF_EMPTY;
        stele_buf text = STELE_BUF_EMPTY;
        stele_buf back = STELE_BUF_EMPTY;
        vectors_hex(json_object_get(c, "payload"), &payload);
        assert_ok(stele_event_json_encode(stele_view_buf(&payload), &text, &last));
        if (!stele_view_is(stele_view_buf(&text), expected)) {
            fail_msg("%s:\n%.*s\nexpected\n%s", vectors_text(c, "name"), (int)text.size,
                     (const char *)text.data, expected);
        }
        if (stele_event_json_decode(stele_view_str(expected), &back, &last) != STELE_OK) {
            fail_msg("%s: %s", vectors_text(c, "name"), last.text);
        }
        assert_true(stele_view_equal(stele_view_buf(&payload), stele_view_buf(&back)));
        stele_buf_done(&payload);
        stele_buf_done(&text);
        stele_buf_done(&back);
    }
    assert_true(json_array_size(cases) >= 18);
    json_decref(file);
}

#define EVENT_OF(type, actor, more)                                                                \
    "{\"event_id\":\"e\",\"time\":\"2026-11-22T02:18:39Z\",\"tenant\":\"t\",\"region\":\"r\","     \
    "\"event_type\":\"" type "\",\"actor\":" actor ",\"action\":\"create\","                       \
    "\"outcome\":\"success\",\"source\":{\"service\":\"s\"}," more "}"
#define ACTOR "{\"id\":\"u\",\"type\":\"user\"}"
#define GENERIC(more) EVENT_OF("generic", ACTOR, "\"generic\":{\"name\":\"n\"}" more)

static void test_event_json__other_spellings_mean_the_same(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {GENERIC(""), GENERIC(",\"duration_ns\":0,\"message\":\"\",\"resource\":[],\"severity\":"
                              "\"unspecified\",\"attributes\":{},\"trace_id\":\"\"")},
        {GENERIC(",\"duration_ns\":5"), GENERIC(",\"duration_ns\":\"5\"")},
        {GENERIC(",\"duration_ns\":18446744073709551615"), NULL},
        {GENERIC(",\"severity\":\"high\""), GENERIC(",\"severity\":\"#4\"")},
        {GENERIC(",\"trace_id\":\"000102030405060708090a0b0c0d0e0f\""),
         GENERIC(",\"trace_id\":\"000102030405060708090A0B0C0D0E0F\"")},
        {GENERIC(",\"attributes\":{\"b\":1,\"a\":\"x\",\"B\":true}"),
         GENERIC(",\"attributes\":{\"B\":true,\"a\":\"x\",\"b\":1}")},
        {GENERIC(",\"message\":\"\\u20ac\\/\""), GENERIC(",\"message\":\"\xe2\x82\xac/\"")},
        {GENERIC(",\"original\":{\"digest\":\"md5-legacy:00112233445566778899aabbccddeeff\"}"),
         GENERIC(",\"original\":{\"digest\":{\"value\":\"#7:00112233445566778899aabbccddeeff\"}}")},
        {GENERIC(",\"original\":{\"record\":\"AAH/\"}"), NULL},
        {EVENT_OF("generic", "{\"id\":\"u\",\"type\":\"user\",\"ip\":\"2001:db8::1\"}",
                  "\"generic\":{\"name\":\"n\"}"),
         EVENT_OF("generic",
                  "{\"ip\":\"2001:0DB8:0:0:0:0:0:1\",\"type\":\"#1\",\"id\":\"\\u0075\"}",
                  "\"generic\":{\"name\":\"n\"}")},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        stele_buf payload[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
        for (size_t j = 0; j < 2 && pairs[i][j] != NULL; j++) {
            stele_status st =
                stele_event_json_decode(stele_view_str(pairs[i][j]), &payload[j], &last);
            if (i == 2) { /* beyond 2^63 - 1 only as a string: jansson has no such integers */
                assert_status(st, INVALID);
            } else if (st != STELE_OK) {
                fail_msg("%s: %s", pairs[i][j], last.text);
            }
        }
        if (pairs[i][1] != NULL &&
            !stele_view_equal(stele_view_buf(&payload[0]), stele_view_buf(&payload[1]))) {
            fail_msg("%s\nand\n%s\ndiffer", pairs[i][0], pairs[i][1]);
        }
        stele_buf_done(&payload[0]);
        stele_buf_done(&payload[1]);
    }
}

static void test_event_json__wrong_forms_are_refused_with_the_path(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *text;
    } cases[] = {
        {"", "event: no JSON at line 1, column 0: '[' or '{' expected near end of file"},
        {"{}", "event_id: missing; it is what duplicates are recognised by"},
        {"[1]", "event: an object expected, not an array"},
        {"{\"a\":1,\"a\":2}",
         "event: no JSON at line 1, column 10: duplicate object key near '\"a\"'"},
        {"{\"colour\":1}", "event: no member \"colour\" in Event"},
        {GENERIC(",\"time_unix_nano\":5"), "event: no member \"time_unix_nano\" in Event"},
        {GENERIC(",\"\\u00e9\\u0007\":5"), "event: no member \"???\" in Event"},
        {GENERIC(",\"message\":null"),
         "message: a string expected, not null; leave the member out"},
        {GENERIC(",\"message\":5"), "message: a string expected, not an integer"},
        {GENERIC(",\"message\":[\"x\"]"), "message: a string expected, not an array"},
        {GENERIC(",\"duration_ns\":-1"), "duration_ns: no integer from 0 to 2^64 - 1"},
        {GENERIC(",\"duration_ns\":\"18446744073709551616\""),
         "duration_ns: no integer from 0 to 2^64 - 1"},
        {GENERIC(",\"duration_ns\":\"\""), "duration_ns: no integer from 0 to 2^64 - 1"},
        {GENERIC(",\"duration_ns\":1.5"),
         "duration_ns: an integer expected, not a number with a fraction"},
        {GENERIC(",\"severity\":4"), "severity: a word in a string expected, not an integer"},
        {GENERIC(",\"severity\":\"High\""),
         "severity: 'High' is no Severity; words are lower case, such as 'informational'"},
        {GENERIC(",\"severity\":\"#\""), "severity: after # a number of Severity is expected"},
        {GENERIC(",\"severity\":\"#4294967296\""),
         "severity: after # a number of Severity is expected"},
        {GENERIC(",\"severity\":\"#77\""), "severity: 77 is no value of Severity"},
        {GENERIC(",\"trace_id\":\"0g\""), "trace_id: no hex of at most 64 bytes"},
        {GENERIC(",\"trace_id\":\"000\""), "trace_id: no hex of at most 64 bytes"},
        {GENERIC(",\"trace_id\":\"0001\""), "trace_id: 2 bytes, 16 if set"},
        {GENERIC(",\"resource\":{}"), "resource: an array expected, not an object"},
        {GENERIC(",\"resource\":[7]"), "resource[0]: an object expected, not an integer"},
        {GENERIC(",\"resource\":[{\"id\":\"r\",\"type\":\"model\"},{\"id\":[]}]"),
         "resource[1].id: a string expected, not an array"},
        {GENERIC(",\"resource\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]"),
         "resource: 17 elements, at most 16"},
        {GENERIC(",\"attributes\":[]"), "attributes: an object expected, not an array"},
        {GENERIC(",\"attributes\":{\"k\":null}"),
         "attributes[\"k\"]: a string, number, true, false or {\"bin\":\"<base64>\"} expected, not "
         "null; "
         "leave the member out"},
        {GENERIC(",\"attributes\":{\"k\":{\"bin\":\"AA==\",\"x\":1}}"),
         "attributes[\"k\"]: a string, number, true, false or {\"bin\":\"<base64>\"} expected, not "
         "an "
         "object"},
        {GENERIC(",\"attributes\":{\"K k\":1}"),
         "attributes[0].key: holds a character outside [A-Za-z0-9_.:/-]"},
        {GENERIC(",\"original\":{\"digest\":\"sha256\"}"),
         "original.digest: no digest such as sha256:<hex>"},
        {GENERIC(",\"original\":{\"digest\":\"sha256:0\"}"),
         "original.digest: no hex of at most 64 bytes"},
        {GENERIC(",\"original\":{\"digest\":\"sha257:00\"}"),
         "original.digest: 'sha257' is no HashAlg; words are lower case, such as 'sha256'"},
        {GENERIC(",\"original\":{\"digest\":\"sha256:00\"}"),
         "original.digest.value: 1 bytes, 16 to 64"},
        {GENERIC(",\"original\":{\"digest\":{\"alg\":\"sha256\"}}"),
         "original.digest.value: missing; the digest as \"sha256:<hex>\""},
        {GENERIC(",\"original\":{\"digest\":{\"value\":\"md5-legacy:00\",\"alg\":\"sha256\"}}"),
         "original.digest: no member \"alg\" in Digest"},
        {GENERIC(",\"original\":{\"digest\":7}"),
         "original.digest: a string or an object expected, not an integer"},
        {EVENT_OF("generic", "{\"id\":\"u\",\"ip\":\"1.2.3\"}", "\"generic\":{}"),
         "actor.ip: no IP address"},
        {EVENT_OF("generic", "{\"id\":\"u\",\"ip\":\"::1%eth0\"}", "\"generic\":{}"),
         "actor.ip: no IP address"},
        {EVENT_OF("generic", "{\"id\":\"u\",\"mfa\":1}", "\"generic\":{}"),
         "actor.mfa: true or false expected, not an integer"},
        {EVENT_OF("evaluation", ACTOR,
                  "\"evaluation\":{\"score\":[{\"name\":\"a\",\"value\":\"1\"}]}"),
         "evaluation.score[0].value: a number expected, not a string"},
        {EVENT_OF("policy_change", ACTOR,
                  "\"policy_change\":{\"kind\":\"grant\",\"expires\":\"tomorrow\"}"),
         "policy_change.expires: not a time such as 2026-11-22T02:18:39.123456789Z"},
        {EVENT_OF("policy_change", ACTOR, "\"policy_change\":{\"kind\":\"grant\",\"expires\":5}"),
         "policy_change.expires: an RFC 3339 time in a string expected, not an integer"},
        /* What the form allows, the walker judges. */
        {EVENT_OF("generic", ACTOR, "\"generic\":{\"name\":\"n\"},\"access\":{}"),
         "generic: a second member of a oneof; set exactly one"},
        {EVENT_OF("access", ACTOR, "\"generic\":{\"name\":\"n\"}"),
         "event_type: access, but the body is another one; they must agree"},
        {EVENT_OF("generic", "{\"type\":\"user\"}", "\"generic\":{\"name\":\"n\"}"),
         "actor.id: missing; every event names who acted"},
        {GENERIC(",\"message\":\"\\u0001\""),
         "message: holds a control character other than tab, line feed and carriage return"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stele_buf payload = STELE_BUF_EMPTY;
        assert_ok(stele_buf_append(&payload, stele_view_str("kept"), NULL));
        stele_status st = stele_event_json_decode(stele_view_str(cases[i].json), &payload, &last);
        if (st != STELE_INVALID || strcmp(last.text, cases[i].text) != 0) {
            fail_msg("%s\n%s: %s\nexpected: %s", cases[i].json, stele_status_name(st), last.text,
                     cases[i].text);
        }
        assert_true(stele_view_is(stele_view_buf(&payload), "kept")); /* as it was */
        stele_buf_done(&payload);
    }
}

static void test_event_json__nothing_into_nothing_is_refused(void **state) {
    (void)state;
    stele_buf payload = STELE_BUF_EMPTY; /* no memory yet */
    assert_status(stele_event_json_decode(stele_view_str("{}"), &payload, &last), INVALID);
    assert_string_equal(last.text, "event_id: missing; it is what duplicates are recognised by");
    stele_buf_done(&payload);
}

static void test_event_json__text_is_bounded(void **state) {
    (void)state;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_buf text = STELE_BUF_EMPTY;
    for (unsigned depth = 16; depth <= 17; depth++) { /* brackets in strings do not count */
        stele_buf_clear(&text);
        assert_ok(stele_buf_printf(&text, NULL, "{\"[[[[[[[[[[[[[[[[\\\"[\":%.*s%.*s}",
                                   (int)depth - 1, "[[[[[[[[[[[[[[[[[", (int)depth - 1,
                                   "]]]]]]]]]]]]]]]]]"));
        assert_status(stele_event_json_decode(stele_view_buf(&text), &payload, &last), INVALID);
        assert_int_equal(strstr(last.text, "nested over 16 deep") != NULL, depth == 17);
    }
    stele_buf_clear(&text);
    assert_ok(stele_buf_reserve(&text, STELE_EVENT_JSON_BYTES_MAX + 1, NULL));
    memset(text.data, ' ', STELE_EVENT_JSON_BYTES_MAX + 1);
    text.size = STELE_EVENT_JSON_BYTES_MAX + 1;
    assert_status(stele_event_json_decode(stele_view_buf(&text), &payload, &last), LIMIT);
    text.size--;
    assert_status(stele_event_json_decode(stele_view_buf(&text), &payload, &last), INVALID);
    assert_int_equal(payload.size, 0);
    stele_buf_done(&payload);
    stele_buf_done(&text);
}

static void check_encode(const char *hex, const char *expected, const char *refused) {
    uint8_t bytes[256];
    stele_buf text = STELE_BUF_EMPTY;
    size_t size = strlen(hex) / 2;
    assert_ok(stele_hex_decode(stele_view_str(hex), bytes, size, NULL));
    stele_status st = stele_event_json_encode(stele_view_of(bytes, size), &text, &last);
    if (expected != NULL) {
        assert_status(st, OK);
        assert_true(stele_view_is(stele_view_buf(&text), expected));
    } else {
        assert_status(st, INVALID);
        assert_string_equal(last.text, refused);
        assert_int_equal(text.size, 0);
    }
    stele_buf_done(&text);
}

static void test_event_json__prints_what_the_walker_would_refuse(void **state) {
    (void)state;
    check_encode("", "{}", NULL);
    check_encode("284d", "{\"event_type\":\"#77\"}", NULL);
    check_encode("c801010a01612a00", NULL, "event_type: wire type 2, 0 by the schema");
    check_encode("c801010a0161", "{\"event_id\":\"a\"}", NULL); /* an unknown field is left out */
    check_encode("40010a0161", "{\"event_id\":\"a\",\"outcome\":\"success\"}", NULL); /* in order */
    check_encode("0a01610a0161", NULL, "event_id: the field, or its oneof, occurs twice");
    check_encode("d20200da0200", NULL, "policy_change: the field, or its oneof, occurs twice");
    check_encode("0a02c328", NULL, "event_id: is not UTF-8");
    check_encode("32030a0541", NULL,
                 "actor: a length reaches past the end; this is not a protobuf message");
    check_encode(
        "32071a0541424300ff", NULL,
        "actor.name: holds a control character other than tab, line feed and carriage return");
    check_encode("32072a050102030405", NULL, "actor.ip: 5 bytes are no IP address");
    check_encode("32042a020102", NULL, "actor.ip: 2 bytes are no IP address");
    check_encode("aa010c0a016b21000000000000f07f", NULL,
                 "attributes[0]: not a finite number; JSON has none such");
    check_encode("aa01050a01622801aa01050a01612801", NULL,
                 "attributes[1]: an attribute without a value, or not in ascending order of keys");
    check_encode("aa01050a01622801aa01050a01622801", NULL,
                 "attributes[1]: an attribute without a value, or not in ascending order of keys");
    check_encode("aa01030a0162", NULL,
                 "attributes[0]: an attribute without a value, or not in ascending order of keys");
    check_encode("b201001a00", "{\"original\":{}}", NULL);
    check_encode("b201021200", "{\"original\":{\"digest\":\"unspecified:\"}}", NULL);
    check_encode("b2010412020809", "{\"original\":{\"digest\":\"#9:\"}}", NULL);
}

static void test_event_json__doubles_have_the_fewest_digits(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-12.5, "-12.5"},
        {0.1, "0.1"},
        {0.30000000000000004, "0.30000000000000004"},
        {100000.0, "100000.0"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {123456789012345680.0, "1.2345678901234568e+17"},
        {1e22, "1e+22"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {0.00012345, "0.00012345"},
        {1e100, "1e+100"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[STELE_JSON_NUMBER_BYTES];
        stele_json__print_double(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
        assert_true(strtod(text, NULL) == cases[i].value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_json__texts_are_the_golden_ones),
        cmocka_unit_test(test_event_json__other_spellings_mean_the_same),
        cmocka_unit_test(test_event_json__wrong_forms_are_refused_with_the_path),
        cmocka_unit_test(test_event_json__nothing_into_nothing_is_refused),
        cmocka_unit_test(test_event_json__text_is_bounded),
        cmocka_unit_test(test_event_json__prints_what_the_walker_would_refuse),
        cmocka_unit_test(test_event_json__doubles_have_the_fewest_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
