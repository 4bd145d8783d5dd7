/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_append_wire.c: the hand-written messages of ingest.proto against those protoc-c
 * makes, both ways, and what is refused.
 */
#include "proto/append_wire.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#include <string.h>

#include "stele/v1/ingest.pb-c.h"

static stele_view text(const char *s) {
    return stele_view_str(s);
}

static bool same_text(stele_view a, const char *b) {
    return stele_view_is(a, b);
}

/* ------------------------------------------------------------------ requests */

static struct stele_append_request request; /* 16 KiB: not for the stack */

/* Packed by protobuf-c from events that hold nothing but an id. */
static void pack_request(size_t n, bool all_or_nothing, bool want_receipt, stele_buf *out) {
    static Stele__V1__Event event[STELE_APPEND_EVENTS_MAX + 1];
    static Stele__V1__Event *list[STELE_APPEND_EVENTS_MAX + 1];
    static char id[STELE_APPEND_EVENTS_MAX + 1][32];
    Stele__V1__AppendRequest message = STELE__V1__APPEND_REQUEST__INIT;
    for (size_t i = 0; i < n; i++) {
        stele__v1__event__init(&event[i]);
        (void)snprintf(id[i], sizeof id[i], "e-%zu", i);
        event[i].event_id = id[i];
        list[i] = &event[i];
    }
    message.n_event = n;
    message.event = list;
    message.all_or_nothing = all_or_nothing;
    message.want_receipt = want_receipt;
    stele_buf_clear(out);
    assert_ok(
        stele_buf_reserve(out, stele__v1__append_request__get_packed_size(&message) + 1, NULL));
    out->size = stele__v1__append_request__pack(&message, out->data);
}

static void test_append_wire__reads_what_protobuf_c_packs(void **state) {
    (void)state;
    stele_buf packed = STELE_BUF_EMPTY;
    const size_t sizes[] = {0, 1, 2, 1000};
    for (size_t i = 0; i < 4; i++) {
        pack_request(sizes[i], i % 2 == 1, i >= 2, &packed);
        assert_ok(
            stele_append_request_read(stele_view_buf(&packed), STELE_APPEND_UNARY, &request, NULL));
        assert_int_equal(request.n_events, sizes[i]);
        assert_int_equal(request.all_or_nothing, i % 2 == 1);
        assert_int_equal(request.want_receipt, i >= 2);
        for (size_t k = 0; k < sizes[i]; k++) {
            Stele__V1__Event *event =
                stele__v1__event__unpack(NULL, request.event[k].size, request.event[k].data);
            char id[32];
            (void)snprintf(id, sizeof id, "e-%zu", k);
            assert_non_null(event);
            assert_string_equal(event->event_id, id);
            stele__v1__event__free_unpacked(event, NULL);
        }
    }
    stele_buf_done(&packed);
}

static void test_append_wire__client_requests_are_protobuf(void **state) {
    (void)state;
    stele_buf out = STELE_BUF_EMPTY;
    stele_buf packed = STELE_BUF_EMPTY;
    const uint8_t event[] = {0x0a, 3, 'e', '-', '0'};
    size_t expected = 0;
    assert_ok(stele_append_request_put_event(&out, stele_view_of(event, sizeof event), NULL));
    expected += stele_append_request_event_bytes(sizeof event);
    assert_int_equal(out.size, expected);
    assert_ok(stele_append_request_put_switches(&out, true, true, NULL));
    pack_request(1, true, true, &packed);
    assert_true(stele_view_equal(stele_view_buf(&out), stele_view_buf(&packed)));
    stele_buf_clear(&out);
    assert_ok(stele_append_request_put_switches(&out, false, false, NULL));
    assert_int_equal(out.size, 0);
    for (size_t size = 0; size < 70000; size += 1 + size / 3) { /* every width of a length */
        static uint8_t zeros[70000];
        stele_buf_clear(&out);
        assert_ok(stele_append_request_put_event(&out, stele_view_of(zeros, size), NULL));
        assert_int_equal(out.size, stele_append_request_event_bytes(size));
        assert_ok(
            stele_append_request_read(stele_view_buf(&out), STELE_APPEND_STREAM, &request, NULL));
        assert_int_equal(request.n_events, 1);
        assert_int_equal(request.event[0].size, size);
    }
    stele_buf_done(&out);
    stele_buf_done(&packed);
}

static void refuse(const uint8_t *bytes, size_t size, const char *word) {
    stele_err err = {0};
    assert_status(
        stele_append_request_read(stele_view_of(bytes, size), STELE_APPEND_UNARY, &request, &err),
        INVALID);
    if (strstr(err.text, word) == NULL) {
        fail_msg("'%s' is not in: %s", word, err.text);
    }
}

static void test_append_wire__broken_requests_are_refused(void **state) {
    (void)state;
    refuse((const uint8_t[]){0x0a, 5, 'x'}, 3, "past the end");
    refuse((const uint8_t[]){0x0a}, 1, "cut off");
    refuse((const uint8_t[]){0x00, 0x00}, 2, "field number");
    refuse((const uint8_t[]){0x0b}, 1, "wire type");
    refuse((const uint8_t[]){0x08, 0x01}, 2, "field 1 has wire type 0");
    refuse((const uint8_t[]){0x12, 0x00}, 2, "field 2 has wire type 2");
    refuse((const uint8_t[]){0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 11,
           "over 64 bits");
    refuse((const uint8_t[]){0x21, 1, 2, 3}, 4, "4 bytes before its end");
}

static void test_append_wire__unknown_fields_pass_and_last_switch_counts(void **state) {
    (void)state;
    const uint8_t bytes[] = {0x7a, 2, 'h', 'i', 0x10, 1, 0x10, 0, 0x18, 0, 0x18, 7, 0x0a, 0};
    assert_ok(stele_append_request_read(stele_view_of(bytes, sizeof bytes), STELE_APPEND_UNARY,
                                        &request, NULL));
    assert_int_equal(request.n_events, 1);
    assert_int_equal(request.event[0].size, 0);
    assert_false(request.all_or_nothing);
    assert_true(request.want_receipt);
    /* A stream's messages have no switches: the numbers are unknown there. */
    assert_ok(stele_append_request_read(stele_view_of(bytes, sizeof bytes), STELE_APPEND_STREAM,
                                        &request, NULL));
    assert_false(request.want_receipt);
}

static void test_append_wire__limits_are_exact(void **state) {
    (void)state;
    stele_buf packed = STELE_BUF_EMPTY;
    stele_err err = {0};
    pack_request(1001, false, false, &packed);
    assert_status(
        stele_append_request_read(stele_view_buf(&packed), STELE_APPEND_UNARY, &request, &err),
        LIMIT);
    assert_non_null(strstr(err.text, "1000 events"));
    stele_buf_clear(&packed);
    assert_ok(stele_buf_reserve(&packed, STELE_APPEND_BYTES_MAX + 1, NULL));
    memset(packed.data, 0, STELE_APPEND_BYTES_MAX + 1);
    packed.data[0] = 0x0a; /* one event that fills the message: tag, four bytes of length */
    const size_t event = STELE_APPEND_BYTES_MAX - 5;
    for (size_t i = 0; i < 4; i++) {
        packed.data[1 + i] = (uint8_t)((event >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
    }
    packed.size = STELE_APPEND_BYTES_MAX;
    assert_ok(
        stele_append_request_read(stele_view_buf(&packed), STELE_APPEND_UNARY, &request, NULL));
    assert_int_equal(request.event[0].size, event);
    packed.size++;
    assert_status(
        stele_append_request_read(stele_view_buf(&packed), STELE_APPEND_UNARY, &request, &err),
        LIMIT);
    assert_non_null(strstr(err.text, "4194304"));
    stele_buf_done(&packed);
}

/* ------------------------------------------------------------------ responses */

static uint64_t any_number(struct rng *rng) {
    uint64_t bits = rng_below(rng, 65);
    return bits == 0 ? 0 : rng_next(rng) >> (64 - bits);
}

static stele_view any_text(struct rng *rng, char *out, size_t size) {
    size_t n = rng_below(rng, 3) == 0 ? 0 : rng_below(rng, size);
    memset(out, 'a' + (int)rng_below(rng, 26), n);
    return stele_view_of(out, n);
}

static void test_append_wire__results_are_protobuf_both_ways(void **state) {
    (void)state;
    struct rng rng = rng_start("append_wire results");
    static char log[100];
    static char error[400];
    static char receipt[40000];
    for (int round = 0; round < 300; round++) {
        stele_buf out = STELE_BUF_EMPTY;
        struct stele_append_result result = {
            .log = any_text(&rng, log, sizeof log),
            .seq = any_number(&rng),
            .log_time_unix_nano = any_number(&rng),
            .duplicate = rng_below(&rng, 2) == 1,
            .code = (uint32_t)any_number(&rng),
            .error = any_text(&rng, error, sizeof error),
            .receipt = any_text(&rng, receipt, sizeof receipt),
        };
        assert_ok(stele_append_response_put(&out, &result, NULL));
        Stele__V1__AppendResponse *message =
            stele__v1__append_response__unpack(NULL, out.size, out.data);
        assert_non_null(message);
        assert_int_equal(message->n_result, 1);
        const Stele__V1__AppendResult *theirs = message->result[0];
        assert_true(same_text(result.log, theirs->log));
        assert_true(result.seq == theirs->seq);
        assert_true(result.log_time_unix_nano == theirs->log_time_unix_nano);
        assert_int_equal(result.duplicate, theirs->duplicate);
        assert_true(result.code == theirs->code);
        assert_true(same_text(result.error, theirs->error));
        assert_int_equal(result.receipt.size, theirs->receipt.len);
        assert_int_equal(stele__v1__append_response__get_packed_size(message), out.size);
        uint8_t *again = stele_alloc(1, out.size + 1);
        assert_non_null(again);
        assert_int_equal(stele__v1__append_response__pack(message, again), out.size);
        assert_memory_equal(again, out.data, out.size);
        struct stele_wire wire = stele_wire_of(stele_view_buf(&out));
        struct stele_append_result ours;
        assert_ok(stele_append_response_next(&wire, &ours, NULL));
        assert_true(stele_view_equal(ours.log, result.log) && ours.seq == result.seq);
        assert_true(ours.log_time_unix_nano == result.log_time_unix_nano);
        assert_true(ours.duplicate == result.duplicate && ours.code == result.code);
        assert_true(stele_view_equal(ours.error, result.error));
        assert_true(stele_view_equal(ours.receipt, result.receipt));
        assert_status(stele_append_response_next(&wire, &ours, NULL), END);
        stele_free(again);
        stele__v1__append_response__free_unpacked(message, NULL);
        stele_buf_done(&out);
    }
}

static void test_append_wire__stream_responses_are_protobuf_both_ways(void **state) {
    (void)state;
    stele_buf out = STELE_BUF_EMPTY;
    struct stele_append_range range = {7, 1000, text("eu/3y"), UINT64_C(1) << 40, 1234567000, true};
    struct stele_append_refusal refusal = {1007, 3, text("actor.id: missing")};
    assert_ok(stele_append_stream_put_acked(&out, 1008, NULL));
    assert_ok(stele_append_stream_put_range(&out, &range, NULL));
    assert_ok(stele_append_stream_put_refusal(&out, &refusal, NULL));
    Stele__V1__AppendStreamResponse *message =
        stele__v1__append_stream_response__unpack(NULL, out.size, out.data);
    assert_non_null(message);
    assert_int_equal(message->acked_events, 1008);
    assert_int_equal(message->n_stored, 1);
    assert_int_equal(message->stored[0]->first_event, 7);
    assert_int_equal(message->stored[0]->events, 1000);
    assert_string_equal(message->stored[0]->log, "eu/3y");
    assert_true(message->stored[0]->first_seq == UINT64_C(1) << 40);
    assert_int_equal(message->stored[0]->log_time_unix_nano, 1234567000);
    assert_true(message->stored[0]->duplicate);
    assert_int_equal(message->n_refused, 1);
    assert_int_equal(message->refused[0]->event, 1007);
    assert_int_equal(message->refused[0]->code, 3);
    assert_string_equal(message->refused[0]->error, "actor.id: missing");
    stele__v1__append_stream_response__free_unpacked(message, NULL);
    struct stele_wire wire = stele_wire_of(stele_view_buf(&out));
    struct stele_append_item item;
    assert_ok(stele_append_stream_next(&wire, &item, NULL));
    assert_int_equal(item.kind, STELE_APPEND_ACKED);
    assert_int_equal(item.as.acked_events, 1008);
    assert_ok(stele_append_stream_next(&wire, &item, NULL));
    assert_int_equal(item.kind, STELE_APPEND_STORED);
    assert_int_equal(item.as.stored.events, 1000);
    assert_true(same_text(item.as.stored.log, "eu/3y"));
    assert_ok(stele_append_stream_next(&wire, &item, NULL));
    assert_int_equal(item.kind, STELE_APPEND_REFUSED);
    assert_int_equal(item.as.refused.event, 1007);
    assert_status(stele_append_stream_next(&wire, &item, NULL), END);
    stele_buf_done(&out);
}

static void test_append_wire__broken_responses_are_refused(void **state) {
    (void)state;
    const uint8_t no_bytes[] = {0x08, 1};
    const uint8_t inner[] = {0x0a, 2, 0x0a, 9};
    struct stele_append_result result;
    struct stele_append_item item;
    struct stele_wire wire = stele_wire_of(stele_view_of(no_bytes, sizeof no_bytes));
    assert_status(stele_append_response_next(&wire, &result, NULL), INVALID);
    wire = stele_wire_of(stele_view_of(inner, sizeof inner));
    assert_status(stele_append_response_next(&wire, &result, NULL), INVALID);
    const uint8_t stored[] = {0x12, 2, 0x08, 0x80};
    wire = stele_wire_of(stele_view_of(stored, sizeof stored));
    assert_status(stele_append_stream_next(&wire, &item, NULL), INVALID);
    const uint8_t refused[] = {0x18, 2};
    wire = stele_wire_of(stele_view_of(refused, sizeof refused));
    assert_status(stele_append_stream_next(&wire, &item, NULL), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_wire__reads_what_protobuf_c_packs),
        cmocka_unit_test(test_append_wire__client_requests_are_protobuf),
        cmocka_unit_test(test_append_wire__broken_requests_are_refused),
        cmocka_unit_test(test_append_wire__unknown_fields_pass_and_last_switch_counts),
        cmocka_unit_test(test_append_wire__limits_are_exact),
        cmocka_unit_test(test_append_wire__results_are_protobuf_both_ways),
        cmocka_unit_test(test_append_wire__stream_responses_are_protobuf_both_ways),
        cmocka_unit_test(test_append_wire__broken_responses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
