/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties over generated events: what the walker accepts protobuf-c reads, the JSON form loses
 * nothing, and no change of any byte makes walker, map or JSON form disagree about the wire format.
 */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_json.h"
#include "proto/event_map.h"
#include "proto/wire.h"
#include "stele/v1/event.pb-c.h"
#include "tests/support/event_gen.h"

#define ANY_EVENTS 6000 /* a few seconds under sanitizers */

static stele_buf payload;
static stele_buf text;
static stele_buf back;
static struct stele_event_facts facts;
static stele_err last;

static void generate(struct rng *rng, uint32_t i) {
    static const struct stele_gen_options plain;
    stele_buf_clear(&payload);
    if (i % 3 == 0) {
        struct stele_gen_options o = plain;
        o.event_type = i / 3 % 12 + 1;
        stele_gen_event(rng, &o, &payload);
    } else {
        stele_gen_any_event(rng, i % 12 + 1, &payload);
    }
}

static void test_event_property__protobuf_c_reads_what_the_walker_accepts(void **state) {
    (void)state;
    struct rng rng = rng_start("event_property");
    for (uint32_t i = 0; i < ANY_EVENTS; i++) {
        struct stele_event_head head;
        generate(&rng, i);
        if (stele_event_check(stele_view_buf(&payload), &head, &last) != STELE_OK) {
            fail_msg("event %u: %s", (unsigned)i, last.text);
        }
        Stele__V1__Event *event = stele__v1__event__unpack(NULL, payload.size, payload.data);
        assert_non_null(event);
        assert_true(stele_view_is(head.event_id, event->event_id));
        assert_true(stele_view_is(head.tenant, event->tenant));
        assert_true(stele_view_is(head.region, event->region));
        assert_true(stele_view_is(head.actor_id, event->actor->id));
        assert_true(stele_view_is(head.source_service, event->source->service));
        assert_true(stele_view_is(head.source_adapter, event->source->adapter));
        assert_true(stele_view_is(head.action_detail, event->action_detail));
        assert_true(
            stele_view_is(head.resource_id, event->n_resource == 0 ? "" : event->resource[0]->id));
        assert_true(head.time_unix_nano == event->time_unix_nano);
        assert_int_equal(head.event_type, event->event_type);
        assert_int_equal(head.action, event->action);
        assert_int_equal(head.outcome, event->outcome);
        assert_int_equal(head.retention_class, event->retention_class);
        assert_int_equal(event->body_case, 39 + head.event_type);
        /* The generator's bytes are the usual form: packing again gives them back. */
        assert_int_equal(stele__v1__event__get_packed_size(event), payload.size);
        stele_buf_clear(&back);
        assert_ok(stele_buf_reserve(&back, payload.size, NULL));
        back.size = stele__v1__event__pack(event, back.data);
        assert_true(stele_view_equal(stele_view_buf(&back), stele_view_buf(&payload)));
        stele__v1__event__free_unpacked(event, NULL);
    }
}

static void test_event_property__json_and_back_is_the_same_bytes(void **state) {
    (void)state;
    struct rng rng = rng_start("event_property");
    for (uint32_t i = 0; i < ANY_EVENTS; i++) {
        generate(&rng, i);
        stele_buf_clear(&text);
        stele_buf_clear(&back);
        if (stele_event_json_encode(stele_view_buf(&payload), &text, &last) != STELE_OK) {
            fail_msg("event %u: %s", (unsigned)i, last.text);
        }
        if (stele_event_json_decode(stele_view_buf(&text), &back, &last) != STELE_OK) {
            fail_msg("event %u: %s\n%.*s", (unsigned)i, last.text, (int)text.size,
                     (const char *)text.data);
        }
        assert_true(stele_view_equal(stele_view_buf(&back), stele_view_buf(&payload)));
    }
}

/* One to three bytes changed, cut or inserted, in a block of exactly the size. */
static uint8_t *mutated(struct rng *rng, size_t *ret_size) {
    size_t size = payload.size;
    uint8_t *bytes = malloc(size + 4);
    assert_non_null(bytes);
    memcpy(bytes, payload.data, size);
    for (uint64_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        size_t at = (size_t)rng_below(rng, size);
        switch (rng_below(rng, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)rng_next(rng);
            break;
        case 2:
            memmove(bytes + at + 1, bytes + at, size - at);
            size++;
            break;
        default:
            size = at > 0 ? at : 1;
            break;
        }
    }
    uint8_t *exact = realloc(bytes, size);
    *ret_size = size;
    return exact == NULL ? bytes : exact;
}

static void test_event_property__changed_bytes_are_judged_alike(void **state) {
    (void)state;
    struct rng rng = rng_start("event_property");
    unsigned accepted = 0;
    unsigned refused = 0;
    for (uint32_t i = 0; i < ANY_EVENTS; i++) {
        size_t size = 0;
        struct stele_event_head head;
        generate(&rng, i);
        uint8_t *bytes = mutated(&rng, &size);
        stele_view view = stele_view_of(bytes, size);
        last.text[0] = '\0';
        stele_status checked = stele_event_check(view, &head, &last);
        stele_status mapped = stele_event_map_v1(NULL, view, &facts, NULL);
        stele_buf_clear(&text);
        stele_status printed = stele_event_json_encode(view, &text, NULL);
        Stele__V1__Event *event = stele__v1__event__unpack(NULL, size, bytes);
        if (checked == STELE_OK) {
            accepted++;
            assert_status(mapped, OK);
            assert_status(printed, OK);
            assert_non_null(event);
        } else {
            refused++;
            assert_status(checked, INVALID);
            assert_true(strchr(last.text, ':') != NULL); /* a path, then the rule */
        }
        if (event != NULL) {
            stele__v1__event__free_unpacked(event, NULL);
        }
        free(bytes);
    }
    assert_true(accepted > ANY_EVENTS / 20 && refused > ANY_EVENTS / 4); /* both sides were tried */
}

/* The order of fields means nothing: swapping the two halves of an event changes neither keys nor
 * text. */
static void test_event_property__order_of_fields_means_nothing(void **state) {
    (void)state;
    struct rng rng = rng_start("event_property");
    static struct stele_event_facts swapped_facts;
    for (uint32_t i = 0; i < 600; i++) {
        struct stele_event_head head;
        generate(&rng, i);
        struct stele_wire wire = stele_wire_of(stele_view_buf(&payload));
        struct stele_wire_record record = {0};
        size_t at = 0;
        while (record.number < 10) { /* source, which every event has, begins the second half */
            at = (size_t)(wire.at - payload.data);
            assert_ok(stele_wire_next(&wire, &record));
        }
        stele_buf_clear(&back);
        assert_ok(
            stele_buf_append(&back, stele_view_of(payload.data + at, payload.size - at), NULL));
        assert_ok(stele_buf_append(&back, stele_view_of(payload.data, at), NULL));
        assert_ok(stele_event_check(stele_view_buf(&back), &head, &last));
        assert_ok(stele_event_map_v1(NULL, stele_view_buf(&payload), &facts, NULL));
        assert_ok(stele_event_map_v1(NULL, stele_view_buf(&back), &swapped_facts, NULL));
        assert_int_equal(facts.n_keys, swapped_facts.n_keys);
        stele_buf other = STELE_BUF_EMPTY;
        stele_buf_clear(&text);
        assert_ok(stele_event_json_encode(stele_view_buf(&payload), &text, NULL));
        assert_ok(stele_event_json_encode(stele_view_buf(&back), &other, NULL));
        assert_true(stele_view_equal(stele_view_buf(&text), stele_view_buf(&other)));
        stele_buf_done(&other);
    }
}

static void test_event_property__measured_shape_is_314_bytes(void **state) {
    (void)state;
    struct rng rng = rng_start("event_property");
    static const struct stele_gen_options plain;
    size_t total = 0;
    for (unsigned i = 0; i < 1000; i++) {
        stele_buf_clear(&payload);
        stele_gen_inference(&rng, &plain, &payload);
        total += payload.size;
    }
    assert_true(total > 304000 && total < 324000);
}

static int done(void **state) {
    (void)state;
    stele_buf_done(&payload);
    stele_buf_done(&text);
    stele_buf_done(&back);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_property__protobuf_c_reads_what_the_walker_accepts),
        cmocka_unit_test(test_event_property__json_and_back_is_the_same_bytes),
        cmocka_unit_test(test_event_property__changed_bytes_are_judged_alike),
        cmocka_unit_test(test_event_property__order_of_fields_means_nothing),
        cmocka_unit_test(test_event_property__measured_shape_is_314_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
