/* SPDX-License-Identifier: Apache-2.0 */
/* The walker's rules between fields, its view of the wire format, and what it tells of an event. */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_rules.h"
#include "tests/support/event_focus.h"

#define M(name) STELE_MESSAGE_##name
#define BIT STELE_BIT

static stele_buf payload;
static stele_err last;
static struct stele_event_head head;

/* A focus_edit whose extra bytes are a string literal; \0 inside is fine. */
#define EDIT(name, without, bytes)                                                                 \
    {                                                                                              \
        M(name), (without), {                                                                      \
            (const uint8_t *)(bytes), sizeof(bytes) - 1                                            \
        }                                                                                          \
    }

static stele_status check_event(uint32_t type, const struct focus_edit *edit, size_t n_edits) {
    stele_buf_clear(&payload);
    memset(&head, 0, sizeof head);
    last.text[0] = '\0';
    focus_event(type, edit, n_edits, &payload);
    return stele_event_check(stele_view_buf(&payload), &head, &last);
}

struct rule {
    uint32_t type; /* event type; 0: the one that leads to the first edit's message */
    struct focus_edit edit[3];
    const char *refused; /* NULL: accepted */
};

static void run(const struct rule *rule, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t n_edits = 1;
        while (n_edits < 3 &&
               (rule[i].edit[n_edits].extra.size > 0 || rule[i].edit[n_edits].without != 0)) {
            n_edits++;
        }
        stele_status st = check_event(rule[i].type, rule[i].edit, n_edits);
        const char *expected = rule[i].refused;
        bool right = expected == NULL ? st == STELE_OK
                                      : st == STELE_INVALID && strcmp(last.text, expected) == 0;
        if (!right) {
            fail_msg("rule %zu: %s: \"%s\", expected: \"%s\"", i, stele_status_name(st), last.text,
                     expected == NULL ? "accepted" : expected);
        }
    }
}

#define RUN(rules) run((rules), sizeof(rules) / sizeof *(rules))

#define B16 "0123456789abcdef"
#define B32 B16 B16
/* A digest made of these bytes. */
#define D(bytes) EDIT(DIGEST, BIT(1) | BIT(2), bytes)

static void test_event_rules__digest_length_is_its_algorithms(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {0, {D("\x08\x01\x12\x20" B32)}, NULL},
        {0, {D("\x08\x02\x12\x30" B32 B16)}, NULL},
        {0, {D("\x08\x03\x12\x40" B32 B32)}, NULL},
        {0, {D("\x08\x04\x12\x20" B32)}, NULL},
        {0, {D("\x08\x05\x12\x20" B32)}, NULL},
        {0, {D("\x08\x06\x12\x20" B32)}, NULL},
        {0, {D("\x08\x07\x12\x10" B16)}, NULL},
        {0, {D("\x12\x14" B16 "wxyz\x08\x08")}, NULL},
        {0, {D("\x08\x01\x12\x10" B16)}, "resource[0].digest.value: 16 bytes, 32 for sha256"},
        {0, {D("\x08\x03\x12\x20" B32)}, "resource[0].digest.value: 32 bytes, 64 for sha512"},
        {0, {D("\x08\x08\x12\x20" B32)}, "resource[0].digest.value: 32 bytes, 20 for sha1_legacy"},
        {0,
         {D("\x08\x01\x12\x0f"
            "0123456789abcde")},
         "resource[0].digest.value: 15 bytes, 16 to 64"},
        {0, {D("\x08\x03\x12\x41" B32 B32 "x")}, "resource[0].digest.value: 65 bytes, 16 to 64"},
        {0, {EDIT(DIGEST, BIT(1), "\x08\x09")}, "resource[0].digest.alg: 9 is no value of HashAlg"},
    };
    RUN(rules);
}

static void test_event_rules__digest_details_make_sense(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {0, {EDIT(DIGEST, 0, "\x22\x03raw")}, NULL},
        {0, {EDIT(DIGEST, 0, "\x22\x03jcs")}, NULL},
        {0,
         {EDIT(DIGEST, 0,
               "\x22\x03"
               "dir")},
         NULL},
        {0,
         {EDIT(DIGEST, 0, "\x22\x04raw2")},
         "resource[0].digest.canonical: neither raw nor jcs nor dir"},
        {0,
         {EDIT(DIGEST, 0, "\x2a\x02k1")},
         "resource[0].digest.key_id: set, but only an hmac_sha256 digest has a key"},
        {0, {EDIT(DIGEST, BIT(1), "\x08\x06\x2a\x02k1")}, NULL},
    };
    RUN(rules);
}

static void test_event_rules__attributes_ascend_and_have_one_value(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "a\x28\x01\xaa\x01\x05\x0a\x01"
               "b\x28\x00")},
         NULL},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "a\x28\x01\xaa\x01\x06\x0a\x02"
               "a.\x28\x00")},
         NULL},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "b\x28\x01\xaa\x01\x05\x0a\x01"
               "a\x28\x00")},
         "attributes[1]: not in order; attributes ascend by key, bytewise"},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "a\x28\x01\xaa\x01\x05\x0a\x01"
               "Z\x28\x00")},
         "attributes[1]: not in order; attributes ascend by key, bytewise"},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "a\x28\x01\xaa\x01\x05\x0a\x01"
               "a\x18\x00")},
         "attributes[1]: its key occurs twice"},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x03\x0a\x01"
               "a")},
         "attributes[0]: no value; set one of s, i, d, b, bin"},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x07\x0a\x01"
               "a\x28\x01\x18\x01")},
         "attributes[0].i: a second member of a oneof; set exactly one"},
        {12,
         {EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "a\x12\x00")},
         NULL}, /* an empty text is a value */
        /* The fields of a generic event keep the same rules, on their own. */
        {12,
         {EDIT(GENERIC, 0,
               "\x1a\x05\x0a\x01"
               "a\x28\x01\x1a\x05\x0a\x01"
               "a\x28\x01")},
         "generic.field[1]: its key occurs twice"},
        {12,
         {EDIT(GENERIC, 0,
               "\x1a\x05\x0a\x01"
               "a\x28\x01"),
          EDIT(EVENT, 0,
               "\xaa\x01\x05\x0a\x01"
               "a\x28\x01")},
         NULL},
    };
    RUN(rules);
}

/* `n` attributes of `size` value bytes each, keys ascending; returns the encoded total. */
static size_t fill_attributes(stele_buf *extra, unsigned n, size_t size) {
    static char text[1024];
    size_t total = 0;
    memset(text, 'v', sizeof text);
    for (unsigned i = 0; i < n; i++) {
        stele_buf one = STELE_BUF_EMPTY;
        char key[16];
        (void)snprintf(key, sizeof key, "k%02u", i);
        focus_text(&one, 1, key);
        focus_bytes(&one, 2, stele_view_of(text, size));
        total += one.size;
        focus_bytes(extra, 21, stele_view_buf(&one));
        stele_buf_done(&one);
    }
    return total;
}

static void test_event_rules__attributes_are_64_and_8_kib(void **state) {
    (void)state;
    static const struct {
        unsigned n;
        size_t size;
        const char *refused;
    } cases[] = {
        {64, 120, NULL},
        {65, 1, "attributes[64]: one more than the 64 allowed"},
        {8, 1016, NULL}, /* 8 x (5 + 3 + 1016) = 8,192 */
        {8, 1017, "attributes[7]: 8200 bytes with those before, at most 8192 in all"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stele_buf extra = STELE_BUF_EMPTY;
        size_t total = fill_attributes(&extra, cases[i].n, cases[i].size);
        const struct focus_edit edit = {M(EVENT), 0, stele_view_buf(&extra)};
        stele_status st = check_event(12, &edit, 1);
        assert_string_equal(stele_status_name(st), cases[i].refused == NULL ? "OK" : "INVALID");
        if (cases[i].refused != NULL) {
            assert_string_equal(last.text, cases[i].refused);
        } else {
            assert_true(total <= STELE_ATTRIBUTES_BYTES_MAX);
        }
        stele_buf_done(&extra);
    }
}

static void test_event_rules__bodies_keep_their_rules(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {0, {EDIT(POLICY_CHANGE, BIT(3), "\x12\x02p1")}, NULL},
        {0,
         {EDIT(POLICY_CHANGE, BIT(3), "")},
         "policy_change.policy_id: missing; set policy_id or principal_id: what was changed, or "
         "for whom"},
        {0, {EDIT(LINEAGE, BIT(4), "\x18\x01")}, NULL},
        {0,
         {EDIT(LINEAGE, BIT(4), "")},
         "lineage.edge: missing; set edge or state: what was made from what, or what became of the "
         "run"},
        {5, {EDIT(LINEAGE_EDGE, BIT(2), "\x0a\x05\x0a\x01r\x10\x01")}, NULL},
        {5,
         {EDIT(LINEAGE_EDGE, BIT(2), "")},
         "lineage.edge[0].input: missing; set input or output: an edge has an end"},
        {0,
         {EDIT(DATA_SUBJECT_REQUEST, BIT(3) | BIT(6), "\x18\x04")},
         "data_subject_request.due_unix_nano: missing; an open request says when it is due"},
        {0, {EDIT(DATA_SUBJECT_REQUEST, BIT(3) | BIT(6), "\x18\x05")}, NULL},
        {0, {EDIT(AUDIT_CONTROL, 0, "\x18\x05\x20\x05")}, NULL},
        {0, {EDIT(AUDIT_CONTROL, 0, "\x18\x05")}, NULL},
        {0,
         {EDIT(AUDIT_CONTROL, 0, "\x18\x05\x20\x04")},
         "audit_control.last_seq: 4 is below first_seq, 5"},
        {3,
         {EDIT(EVENT, BIT(9), "")},
         "resource[0]: missing; an access event names what was accessed"},
        {12, {EDIT(EVENT, 0, "\xc2\x01\x08stele.v1")}, NULL},
        {12,
         {EDIT(EVENT, 0, "\xc2\x01\x08stele.v2")},
         "schema_version: not stele.v1, the one version this server knows"},
        {12, {EDIT(EVENT, BIT(5), "\x28\x0d")}, "event_type: 13 is no value of EventType"},
    };
    RUN(rules);
}

#define MISSING(path, name)                                                                        \
    path ": missing; send the hash (an adapter that cannot have it sets source.adapter and "       \
         "names " name " in the attribute stele.incomplete)"
/* source.adapter, and the attribute stele.incomplete with a text of `size` bytes. */
#define ADAPTER(name, size) EDIT(SOURCE, 0, "\x22" size name)
#define INCOMPLETE(inner, size, text)                                                              \
    EDIT(EVENT, 0, "\xaa\x01" inner "\x0a\x10stele.incomplete\x12" size text)

static void test_event_rules__hashes_are_mandatory(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {0, {EDIT(INFERENCE, BIT(3), "")}, MISSING("inference.input", "input_hash")},
        {0, {EDIT(INFERENCE, BIT(4), "")}, MISSING("inference.output", "output_hash")},
        /* No output where there was none: outcome failure, denied, pending, unknown. */
        {0, {EDIT(INFERENCE, BIT(4), ""), EDIT(EVENT, BIT(8), "\x40\x02")}, NULL},
        {0,
         {EDIT(INFERENCE, BIT(3), ""), EDIT(EVENT, BIT(8), "\x40\x02")},
         MISSING("inference.input", "input_hash")},
        /* An artifact where something is put in place: deploy 7, promote 9; not retire 10. */
        {0,
         {EDIT(DEPLOYMENT, BIT(4), ""), EDIT(EVENT, BIT(7), "\x38\x07")},
         MISSING("deployment.artifact", "artifact_hash")},
        {0,
         {EDIT(DEPLOYMENT, BIT(4), ""), EDIT(EVENT, BIT(7), "\x38\x09")},
         MISSING("deployment.artifact", "artifact_hash")},
        {0, {EDIT(DEPLOYMENT, BIT(4), ""), EDIT(EVENT, BIT(7), "\x38\x0a")}, NULL},
    };
    RUN(rules);
}

static void test_event_rules__only_adapters_declare_hashes_missing(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {0,
         {EDIT(INFERENCE, BIT(3), ""), ADAPTER("otlp", "\x04"),
          INCOMPLETE("\x1e", "\x0a", "input_hash")},
         NULL},
        {0,
         {EDIT(INFERENCE, BIT(3) | BIT(4), ""), ADAPTER("otlp", "\x04"),
          INCOMPLETE("\x2a", "\x16", "input_hash,output_hash")},
         NULL},
        {0,
         {EDIT(INFERENCE, BIT(3) | BIT(4), ""), ADAPTER("otlp", "\x04"),
          INCOMPLETE("\x2a", "\x16", "output_hash,input_hash")},
         NULL},
        {0,
         {EDIT(INFERENCE, BIT(3) | BIT(4), ""), ADAPTER("otlp", "\x04"),
          INCOMPLETE("\x1e", "\x0a", "input_hash")},
         MISSING("inference.output", "output_hash")},
        {0,
         {EDIT(INFERENCE, BIT(3), ""), ADAPTER("otlp", "\x04"),
          INCOMPLETE("\x1f", "\x0b", "input_hashx")},
         MISSING("inference.input", "input_hash")},
        {0,
         {EDIT(INFERENCE, BIT(3), ""), ADAPTER("otlp", "\x04"),
          INCOMPLETE("\x1d", "\x09", "input_has")},
         MISSING("inference.input", "input_hash")},
        {0,
         {EDIT(INFERENCE, BIT(3), ""), ADAPTER("native", "\x06"),
          INCOMPLETE("\x1e", "\x0a", "input_hash")},
         MISSING("inference.input", "input_hash")},
        {0,
         {EDIT(INFERENCE, BIT(3), ""), INCOMPLETE("\x1e", "\x0a", "input_hash")},
         MISSING("inference.input", "input_hash")},
        {0,
         {EDIT(INFERENCE, BIT(3), ""), ADAPTER("otlp", "\x04")},
         MISSING("inference.input", "input_hash")},
        {0,
         {EDIT(DEPLOYMENT, BIT(4), ""), ADAPTER("gto", "\x03"),
          EDIT(EVENT, BIT(7),
               "\x38\x07\xaa\x01\x21\x0a\x10stele.incomplete\x12\x0d"
               "artifact_hash")},
         NULL},
    };
    RUN(rules);
    assert_true(stele_view_is(head.incomplete, "artifact_hash"));
    /* A number declares nothing, nor does a field of a generic body. */
    const struct focus_edit number[] = {
        EDIT(INFERENCE, BIT(3), ""), ADAPTER("otlp", "\x04"),
        EDIT(EVENT, 0, "\xaa\x01\x14\x0a\x10stele.incomplete\x18\x02")};
    assert_status(check_event(0, number, 3), INVALID);
    const struct focus_edit field = EDIT(GENERIC, 0, "\x1a\x15\x0a\x10stele.incomplete\x12\x01x");
    assert_ok(check_event(12, &field, 1));
    assert_int_equal(head.incomplete.size, 0);
}

static void test_event_rules__unknown_fields_pass_if_well_formed(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {12, {EDIT(EVENT, 0, "\xc8\x01\x01")}, NULL},             /* 25, varint */
        {12, {EDIT(EVENT, 0, "\xc8\x01\x01\xc8\x01\x01")}, NULL}, /* twice: nobody knows it */
        {12, {EDIT(EVENT, 0, "\xd2\x3e\x03\xff\xff\xff")}, NULL}, /* 1002, bytes, not looked into */
        {12,
         {EDIT(EVENT, 0,
               "\xd1\x3e"
               "12345678\xd5\x3e"
               "1234")},
         NULL},                                                   /* fixed64, fixed32 */
        {12, {EDIT(ACTOR, 0, "\x72\x01x")}, NULL},                /* 14 of Actor */
        {12, {EDIT(EVENT, 0, "\xf8\xff\xff\xff\x0f\x01")}, NULL}, /* 2^29 - 1 */
        {12, {EDIT(EVENT, 0, "\x68\x81\x80\x80\x00")}, "trace_id: wire type 0, 2 by the schema"},
        {12, {EDIT(EVENT, 0, "\xc8\x01\x81\x80\x80\x00")}, NULL}, /* a varint need not be minimal */
        {12,
         {EDIT(EVENT, 0, "\xc8\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
         NULL}, /* 2^64 - 1 */
    };
    RUN(rules);
}

/* "at byte N of M" names the place inside the message; the smallest generic event has 43 bytes. */
static void test_event_rules__bytes_that_are_no_message_are_refused(void **state) {
    (void)state;
    static const struct {
        struct focus_edit edit;
        const char *why;
    } cases[] = {
        {EDIT(EVENT, 0, "\x08"), "cut off inside a varint"},
        {EDIT(EVENT, 0, "\x0a"), "cut off inside a varint"},
        {EDIT(EVENT, 0, "\x80"), "cut off inside a varint"},
        {EDIT(EVENT, 0, "\xc8\x01\x80\x80"), "cut off inside a varint"},
        {EDIT(EVENT, 0,
              "\xca\x01\x05"
              "1234"),
         "a length reaches past the end"},
        {EDIT(EVENT, 0, "\xca\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
         "a length reaches past the end"},
        {EDIT(EVENT, 0,
              "\xc9\x01"
              "1234567"),
         "cut off inside a fixed-size number"},
        {EDIT(EVENT, 0,
              "\xcd\x01"
              "123"),
         "cut off inside a fixed-size number"},
        {EDIT(EVENT, 0, "\xc8\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
         "a varint is over 64 bits"},
        {EDIT(EVENT, 0, "\xc8\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
         "a varint is over 64 bits"},
        {EDIT(EVENT, 0, "\x00\x01"), "a field number is 0 or over 536,870,911"},
        {EDIT(EVENT, 0, "\x80\x80\x80\x80\x10\x01"), "a field number is 0 or over 536,870,911"},
        {EDIT(EVENT, 0, "\xcb\x01"), "wire type 3, 4, 6 or 7; groups are not part of the format"},
        {EDIT(EVENT, 0, "\xcc\x01"), "wire type 3, 4, 6 or 7; groups are not part of the format"},
        {EDIT(EVENT, 0, "\xce\x01"), "wire type 3, 4, 6 or 7; groups are not part of the format"},
        {EDIT(EVENT, 0, "\xcf\x01"), "wire type 3, 4, 6 or 7; groups are not part of the format"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[160];
        stele_status st = check_event(12, &cases[i].edit, 1);
        (void)snprintf(expected, sizeof expected,
                       "event: at byte %zu of %zu: %s; this is not a protobuf message",
                       payload.size - cases[i].edit.extra.size, payload.size, cases[i].why);
        assert_string_equal(last.text, expected);
        assert_status(st, INVALID);
    }
    const struct focus_edit inner = EDIT(RESOURCE, 0, "\x0b");
    assert_status(check_event(3, &inner, 1), INVALID);
    assert_string_equal(last.text,
                        "resource[0]: at byte 5 of 6: wire type 3, 4, 6 or 7; groups are "
                        "not part of the format; this is not a protobuf message");
}

static void test_event_rules__size_is_64_kib(void **state) {
    (void)state;
    static uint8_t filler[STELE_EVENT_BYTES_MAX];
    stele_buf extra = STELE_BUF_EMPTY;
    const struct focus_edit none = EDIT(EVENT, 0, "");
    assert_status(check_event(12, &none, 1), OK);
    size_t room = STELE_EVENT_BYTES_MAX - payload.size - 5; /* tag of 25: 2 bytes, length: 3 */
    for (size_t more = 0; more < 2; more++) {
        stele_buf_clear(&extra);
        focus_bytes(&extra, 25, stele_view_of(filler, room + more));
        const struct focus_edit edit = {M(EVENT), 0, stele_view_buf(&extra)};
        stele_status st = check_event(12, &edit, 1);
        assert_int_equal(payload.size, STELE_EVENT_BYTES_MAX + more);
        assert_string_equal(stele_status_name(st), more == 0 ? "OK" : "LIMIT");
    }
    assert_string_equal(last.text,
                        "event: 65537 bytes, at most 65536; send large content as its digest");
    stele_buf_done(&extra);
    assert_status(stele_event_check(stele_view_of(NULL, 0), &head, &last), INVALID);
    assert_string_equal(last.text, "event_id: missing; it is what duplicates are recognised by");
}

static void test_event_rules__head_tells_what_ingest_needs(void **state) {
    (void)state;
    static const struct focus_edit edits[] = {
        EDIT(EVENT, BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(7) | BIT(8) | BIT(9),
             "\x0a\x02"
             "e1\x11\x01\x02\x03\x04\x05\x06\x07\x08\x1a\x04"
             "acme\x22\x02"
             "eu\x38\x02\x40\x03"
             "\x4a\x06\x0a\x02r0\x10\x04\x4a\x06\x0a\x02r1\x10\x04\x60\x07\x9a\x01\x06s3:Get"
             "\xaa\x01\x1f\x0a\x10stele.incomplete\x12\x0boutput_hash"),
        EDIT(ACTOR, BIT(1), "\x0a\x02u7"), EDIT(SOURCE, BIT(1), "\x0a\x02gw\x22\x02k8")};
    assert_ok(check_event(12, edits, 3));
    assert_true(stele_view_is(head.event_id, "e1"));
    assert_true(head.time_unix_nano == UINT64_C(0x0807060504030201));
    assert_true(stele_view_is(head.tenant, "acme"));
    assert_true(stele_view_is(head.region, "eu"));
    assert_int_equal(head.event_type, 12);
    assert_int_equal(head.action, 2);
    assert_int_equal(head.outcome, 3);
    assert_int_equal(head.retention_class, 7);
    assert_true(stele_view_is(head.actor_id, "u7"));
    assert_true(stele_view_is(head.resource_id, "r0"));
    assert_true(stele_view_is(head.source_service, "gw"));
    assert_true(stele_view_is(head.source_adapter, "k8"));
    assert_true(stele_view_is(head.action_detail, "s3:Get"));
    assert_true(stele_view_is(head.incomplete, "output_hash"));
    assert_true(head.event_id.data >= payload.data &&
                head.event_id.data < payload.data + payload.size); /* borrowed */
}

static void test_event_rules__head_is_untouched_on_failure(void **state) {
    (void)state;
    struct stele_event_head before;
    memset(&before, 0x5a, sizeof before);
    struct stele_event_head after = before;
    assert_status(stele_event_check(stele_view_str("junk"), &after, NULL), INVALID);
    assert_memory_equal(&before, &after, sizeof before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_rules__digest_length_is_its_algorithms),
        cmocka_unit_test(test_event_rules__digest_details_make_sense),
        cmocka_unit_test(test_event_rules__attributes_ascend_and_have_one_value),
        cmocka_unit_test(test_event_rules__attributes_are_64_and_8_kib),
        cmocka_unit_test(test_event_rules__bodies_keep_their_rules),
        cmocka_unit_test(test_event_rules__hashes_are_mandatory),
        cmocka_unit_test(test_event_rules__only_adapters_declare_hashes_missing),
        cmocka_unit_test(test_event_rules__unknown_fields_pass_if_well_formed),
        cmocka_unit_test(test_event_rules__bytes_that_are_no_message_are_refused),
        cmocka_unit_test(test_event_rules__size_is_64_kib),
        cmocka_unit_test(test_event_rules__head_tells_what_ingest_needs),
        cmocka_unit_test(test_event_rules__head_is_untouched_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
