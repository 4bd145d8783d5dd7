/* SPDX-License-Identifier: Apache-2.0 */
/* The map from events to keys, against a second implementation (tests/golden/v1/events.py). */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_map.h"
#include "proto/schema.h"
#include "proto/wire_out.h"
#include "tests/support/event_focus.h"
#include "tests/support/event_gen.h"
#include "tests/support/vectors.h"

#define BIT(n) (UINT64_C(1) << (n))

static struct stele_event_facts facts;
static stele_err last;

static json_t *golden(void) {
    return vectors_load(STELE_SOURCE_DIR "/tests/golden/v1/event_map.json");
}

static int by_field_and_value(const void *a, const void *b) {
    const struct stele_event_key *x = a;
    const struct stele_event_key *y = b;
    if (x->field != y->field) {
        return x->field < y->field ? -1 : 1;
    }
    return stele_view_compare(x->value, y->value);
}

/* Sorts the keys and drops what repeats. */
static void normalize(void) {
    size_t n = 0;
    qsort(facts.key, facts.n_keys, sizeof *facts.key, by_field_and_value);
    for (size_t i = 0; i < facts.n_keys; i++) {
        if (n == 0 || by_field_and_value(&facts.key[n - 1], &facts.key[i]) != 0) {
            facts.key[n++] = facts.key[i];
        }
    }
    facts.n_keys = n;
}

static void check_keys(const char *name, const json_t *keys) {
    if (facts.n_keys != json_array_size(keys)) {
        fail_msg("%s: %zu keys, expected %zu", name, facts.n_keys, json_array_size(keys));
    }
    for (size_t i = 0; i < facts.n_keys; i++) {
        const json_t *key = json_array_get(keys, i);
        stele_buf value = STELE_BUF_EMPTY;
        vectors_hex(json_object_get(key, "value"), &value);
        if (facts.key[i].field != vectors_u64(key, "field") ||
            !stele_view_equal(facts.key[i].value, stele_view_buf(&value))) {
            fail_msg("%s: key %zu (field %u) differs", name, i, facts.key[i].field);
        }
        stele_buf_done(&value);
    }
}

static void check_tags(const struct stele_tag_key *tag_key, const char *name,
                       const json_t *expected) {
    static struct stele_tag_set set;
    for (size_t late = 0; late < 2; late++) {
        stele_buf tags = STELE_BUF_EMPTY;
        vectors_hex(json_array_get(expected, late), &tags);
        assert_ok(stele_tag_set_of(tag_key, &facts, late == 1, &set, NULL));
        if (!stele_view_equal(stele_view_of(set.tag, (size_t)set.n * STELE_TAG_BYTES),
                              stele_view_buf(&tags))) {
            fail_msg("%s: tags differ, late %zu", name, late);
        }
        stele_buf_done(&tags);
    }
}

static void test_event_map__keys_and_tags_are_the_golden_ones(void **state) {
    (void)state;
    json_t *file = golden();
    const json_t *cases = json_object_get(file, "cases");
    stele_buf secret = STELE_BUF_EMPTY;
    struct stele_tag_key tag_key;
    vectors_hex(json_object_get(file, "tag_key"), &secret);
    stele_tag_key_init(&tag_key, secret.data);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const char *name = vectors_text(c, "name");
        stele_buf payload = STELE_BUF_EMPTY;
        vectors_hex(json_object_get(c, "payload"), &payload);
        if (stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last) != STELE_OK) {
            fail_msg("%s: %s", name, last.text);
        }
        check_tags(&tag_key, name, json_object_get(c, "tags"));
        normalize();
        check_keys(name, json_object_get(c, "keys"));
        assert_true(facts.event_us == vectors_u64(c, "event_us"));
        assert_true(stele_view_is(facts.tenant, vectors_text(c, "tenant")));
        stele_buf_done(&payload);
    }
    assert_true(json_array_size(cases) >= 30);
    stele_tag_key_done(&tag_key);
    stele_buf_done(&secret);
    json_decref(file);
}

static void test_event_map__what_the_specification_refuses_is_refused(void **state) {
    (void)state;
    json_t *file = golden();
    const json_t *refused = json_object_get(file, "refused");
    for (size_t i = 0; i < json_array_size(refused); i++) {
        const json_t *c = json_array_get(refused, i);
        stele_buf payload = STELE_BUF_EMPTY;
        vectors_hex(json_object_get(c, "payload"), &payload);
        facts.n_keys = 7;
        stele_status st = stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last);
        const char *expected =
            strcmp(vectors_text(c, "name"), "1,025 keys") == 0 ? "LIMIT" : "INVALID";
        if (strcmp(stele_status_name(st), expected) != 0 || facts.n_keys != 0) {
            fail_msg("%s: %s", vectors_text(c, "name"), stele_status_name(st));
        }
        stele_buf_done(&payload);
    }
    assert_true(json_array_size(refused) >= 20);
    json_decref(file);
}

static void test_event_map__digest_is_that_of_the_specification(void **state) {
    (void)state;
    json_t *file = golden();
    stele_buf expected = STELE_BUF_EMPTY;
    struct stele_event_map map = stele_event_map_current();
    vectors_hex(json_object_get(file, "specification_sha256"), &expected);
    assert_int_equal(map.version, 1);
    assert_ptr_equal(map.map, stele_event_map_v1);
    assert_memory_equal(map.digest, expected.data, sizeof map.digest);
    stele_buf_done(&expected);
    json_decref(file);
}

/* One repeated field with `n` values of `size` bytes beside a tenant. */
static void many(stele_buf *payload, uint32_t number, size_t n, size_t size) {
    static char text[65536];
    stele_buf_clear(payload);
    memset(text, 'k', sizeof text);
    focus_text(payload, 3, "t");
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(text, sizeof text, "%06zu", i);
        text[6] = 'k';
        focus_bytes(payload, number, stele_view_of(text, size));
    }
}

static void test_event_map__keys_are_at_most_1024(void **state) {
    (void)state;
    stele_buf payload = STELE_BUF_EMPTY;
    many(&payload, 23, STELE_EVENT_KEYS_MAX - 1, 8); /* and the tenant's own */
    assert_ok(stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last));
    assert_int_equal(facts.n_keys, STELE_EVENT_KEYS_MAX);
    many(&payload, 23, STELE_EVENT_KEYS_MAX, 8);
    assert_status(stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last), LIMIT);
    assert_string_equal(last.text,
                        "event: over 1024 index keys; name fewer resources or ids in one event");
    stele_buf_done(&payload);
}

/* Composed values are never longer than what they are made of, so that the scratch always suffices.
 */
static void test_event_map__largest_payloads_fit_the_scratch(void **state) {
    (void)state;
    static const struct {
        size_t n, id, version;
    } cases[] = {{1, 32000, 33000}, {1, 65000, 500}, {1, 500, 65000}, {300, 100, 110}, {255, 1, 1}};
    static char text[65536];
    memset(text, 'v', sizeof text);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        stele_buf payload = STELE_BUF_EMPTY;
        focus_text(&payload, 3, "t");
        for (size_t i = 0; i < cases[c].n; i++) {
            stele_buf resource = STELE_BUF_EMPTY;
            focus_bytes(&resource, 1, stele_view_of(text, cases[c].id));
            focus_bytes(&resource, 3, stele_view_of(text, cases[c].version));
            focus_bytes(&payload, 9, stele_view_buf(&resource));
            stele_buf_done(&resource);
        }
        assert_true(payload.size <= STELE_PAYLOAD_BYTES_MAX);
        assert_ok(stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last));
        assert_int_equal(facts.n_keys, 1 + 2 * cases[c].n);
        stele_buf_done(&payload);
    }
    assert_status(stele_event_map_v1(NULL, stele_view_of(text, sizeof text + 1), &facts, &last),
                  LIMIT);
}

/* The map's own copy of the schema against the schema of today: the same as long as it has not
 * grown. */
static void test_event_map__refuses_every_singular_field_twice(void **state) {
    (void)state;
    for (size_t id = 0; id < STELE_MESSAGE_COUNT; id++) {
        for (uint32_t number = 1; number < stele_message_table[id].n_field; number++) {
            const struct stele_field *field = &stele_message_table[id].field[number];
            if (field->kind == STELE_KIND_NONE) {
                continue;
            }
            for (unsigned times = 1; times <= 2; times++) {
                stele_buf extra = STELE_BUF_EMPTY;
                stele_buf payload = STELE_BUF_EMPTY;
                for (unsigned i = 0; i < times; i++) {
                    focus_value(&extra, number, field);
                }
                uint64_t oneof = stele_message_table[id].oneof;
                uint64_t siblings = (oneof & BIT(number)) != 0 ? oneof : 0;
                const struct focus_edit edit = {(stele_message_id)id, BIT(number) | siblings,
                                                stele_view_buf(&extra)};
                focus_event(0, &edit, 1, &payload);
                stele_status st = stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last);
                bool repeated = (field->flags & STELE_FIELD_REPEATED) != 0;
                if ((st == STELE_OK) != (times == 1 || repeated)) {
                    fail_msg("%s.%s, %u times: %s", stele_message_table[id].name, field->name,
                             times, stele_status_name(st));
                }
                stele_buf_done(&payload);
                stele_buf_done(&extra);
            }
        }
    }
}

static void test_event_map__accepts_whatever_the_walker_accepts(void **state) {
    (void)state;
    struct rng rng = rng_start("event_map");
    stele_buf payload = STELE_BUF_EMPTY;
    for (uint32_t i = 0; i < 6000; i++) {
        struct stele_event_head head;
        stele_buf_clear(&payload);
        stele_gen_any_event(&rng, i % 12 + 1, &payload);
        assert_ok(stele_event_check(stele_view_buf(&payload), &head, &last));
        if (stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, &last) != STELE_OK) {
            fail_msg("event %u: %s", (unsigned)i, last.text);
        }
        assert_true(facts.event_us == head.time_unix_nano / 1000);
        assert_true(stele_view_equal(facts.tenant, head.tenant));
        normalize();
        assert_true(facts.n_keys <= STELE_TAGS_MAX);
    }
    stele_buf_done(&payload);
}

static void test_event_map__fields_have_names(void **state) {
    (void)state;
    assert_string_equal(stele_key_field_name(STELE_KEY_ACTOR), "actor");
    assert_string_equal(stele_key_field_name(STELE_KEY_DIGEST), "digest");
    assert_string_equal(stele_key_field_name(STELE_KEY_CLIENT_IP), "client_ip");
    assert_string_equal(stele_key_field_name(STELE_KEY_TENANT), "tenant");
    assert_string_equal(stele_key_field_name(STELE_KEY_MODEL_VERSION), "model_version");
    assert_null(stele_key_field_name((stele_key_field)0));
    assert_null(stele_key_field_name((stele_key_field)19));
}

static void test_event_map__digests_and_random_ids_are_told(void **state) {
    static const uint8_t random[5][32] = {{1}, {2}, {3}, {4}, {5}};
    stele_buf event = STELE_BUF_EMPTY;
    struct stele_wire_out w = stele_wire_out_to(&event);
    stele_view told[5];
    (void)state;
    stele_wire_out_bytes(&w, 3, stele_view_str("acme"));
    for (size_t i = 0; i < 2; i++) { /* resources with a digest each */
        size_t resource = stele_wire_out_begin(&w, 9);
        stele_wire_out_bytes(&w, 1, stele_view_str("a resource of over eight bytes"));
        size_t digest = stele_wire_out_begin(&w, 8);
        stele_wire_out_uint(&w, 1, 1);
        stele_wire_out_bytes(&w, 2, told[i] = stele_view_of(random[i], 32));
        stele_wire_out_end(&w, digest);
        stele_wire_out_end(&w, resource);
    }
    stele_wire_out_bytes(&w, 13, told[2] = stele_view_of(random[2], 16));
    stele_wire_out_bytes(&w, 14, told[3] = stele_view_of(random[3], 8));
    size_t inference = stele_wire_out_begin(&w, 40);
    size_t input = stele_wire_out_begin(&w, 3);
    stele_wire_out_bytes(&w, 2, told[4] = stele_view_of(random[4], 32));
    stele_wire_out_end(&w, input);
    stele_wire_out_end(&w, inference);
    assert_ok(stele_wire_out_done(&w, 0, NULL));
    assert_ok(stele_event_map_v1(NULL, stele_view_buf(&event), &facts, &last));
    assert_int_equal(facts.n_opaque, 5);
    const uint8_t *from = event.data;
    for (size_t i = 0; i < 5; i++) { /* where they stand in the event, in their order */
        assert_true(stele_view_equal(facts.opaque[i], told[i]));
        assert_true(facts.opaque[i].data >= from &&
                    facts.opaque[i].data + facts.opaque[i].size <= event.data + event.size);
        from = facts.opaque[i].data + facts.opaque[i].size;
    }
    stele_buf_done(&event);
}

static void test_event_map__of_very_many_digests_some_are_told(void **state) {
    static const uint8_t random[32] = {1};
    stele_buf event = STELE_BUF_EMPTY;
    struct stele_wire_out w = stele_wire_out_to(&event);
    (void)state;
    stele_wire_out_bytes(&w, 3, stele_view_str("acme"));
    for (size_t i = 0; i < STELE_OPAQUE_MAX + 1; i++) {
        size_t resource = stele_wire_out_begin(&w, 9);
        size_t digest = stele_wire_out_begin(&w, 8);
        stele_wire_out_bytes(&w, 2, stele_view_of(random, 32));
        stele_wire_out_end(&w, digest);
        stele_wire_out_end(&w, resource);
    }
    assert_ok(stele_wire_out_done(&w, 0, NULL));
    assert_ok(stele_event_map_v1(NULL, stele_view_buf(&event), &facts, &last));
    assert_int_equal(facts.n_opaque, STELE_OPAQUE_MAX);
    stele_buf_done(&event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_map__keys_and_tags_are_the_golden_ones),
        cmocka_unit_test(test_event_map__what_the_specification_refuses_is_refused),
        cmocka_unit_test(test_event_map__digest_is_that_of_the_specification),
        cmocka_unit_test(test_event_map__keys_are_at_most_1024),
        cmocka_unit_test(test_event_map__largest_payloads_fit_the_scratch),
        cmocka_unit_test(test_event_map__refuses_every_singular_field_twice),
        cmocka_unit_test(test_event_map__accepts_whatever_the_walker_accepts),
        cmocka_unit_test(test_event_map__fields_have_names),
        cmocka_unit_test(test_event_map__digests_and_random_ids_are_told),
        cmocka_unit_test(test_event_map__of_very_many_digests_some_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
