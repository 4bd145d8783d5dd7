/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_ingest_refusals.c: each kind of bad event, message and caller, in calls and
 * streams: its code, its text, its place in the journal, and nothing else lost. Against real
 * stores, over mutual TLS.
 */
#include "tests/support/cmocka.h"
#include "tests/support/ingest_bed.h"

#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "proto/wire_out.h"

/* ------------------------------------------------------------------ bad events */

enum { BAD_MAX = 65600 };

/* A good event with `bytes` behind it. */
static void with_tail(const struct rig_event *event, const void *bytes, size_t n, stele_buf *out) {
    rig_event_put(event, out);
    assert_ok(stele_buf_append(out, stele_view_of(bytes, n), NULL));
}

struct bad {
    const char *what;
    uint32_t code;
    const char *word;
};

/* In the order of make_bad. */
static const struct bad bad_events[] = {
    {"cut off", 3, "past the end"},
    {"not protobuf", 3, "wire type"},
    {"empty", 3, "missing"},
    {"a singular field twice", 3, "twice"},
    {"an unknown enum value", 3, "outcome"},
    {"invalid UTF-8", 3, "UTF-8"},
    {"a missing required field", 3, "actor"},
    {"64 KiB and one byte", 3, "65536"},
    {"a region that is not served", 3,
     "region 'ap' is not served here; this server serves: eu, us"},
    {"a tenant the certificate may not write", 7, "tenant 'other'"},
    {"the server's tenant", 7, "server's own"},
    {"the far future", 3, "ahead of this server's clock"},
    {"a class no log keeps", 5, "5"},
    {"a known id with other bytes", 6, "is stored at eu/3y seq"},
};
enum { N_BAD = sizeof bad_events / sizeof *bad_events };

static void make_bad(size_t i, stele_buf *out) {
    static uint8_t filler[BAD_MAX];
    const struct rig_event good = {.id = "bad"};
    switch (i) {
    case 0:
        rig_event_put(&good, out);
        out->size -= 3;
        break;
    case 1:
        assert_ok(stele_buf_append(out, stele_view_str("hello, world"), NULL));
        break;
    case 2:
        break;
    case 3:
        with_tail(&good, "\x0a\x03two", 5, out);
        break;
    case 4: {
        rig_event_put(&good, out);
        uint8_t *outcome = memmem(out->data, out->size, "\x40\x01", 2);
        assert_non_null(outcome);
        outcome[1] = 77;
        break;
    }
    case 5:
        rig_event_put(&(struct rig_event){.id = "bad", .message = "caf\xe9 au lait"}, out);
        break;
    case 6:
        rig_event_put(&(struct rig_event){.id = "bad", .no_actor = true}, out);
        break;
    case 7: { /* an unknown field makes up the size */
        struct stele_wire_out w = stele_wire_out_to(out);
        rig_event_put(&good, out);
        stele_wire_out_bytes(&w, 60, stele_view_of(filler, 65537 - out->size - 5));
        assert_int_equal(out->size, 65537);
        break;
    }
    case 8:
        rig_event_put(&(struct rig_event){.id = "bad", .region = "ap"}, out);
        break;
    case 9:
        rig_event_put(&(struct rig_event){.id = "bad", .tenant = "other"}, out);
        break;
    case 10:
        rig_event_put(&(struct rig_event){.id = "bad", .tenant = "system"}, out);
        break;
    case 11:
        rig_event_put(&(struct rig_event){.id = "bad", .time_unix_nano = UINT64_C(1) << 63}, out);
        break;
    case 12:
        rig_event_put(&(struct rig_event){.id = "bad", .retention_class = 5}, out);
        break;
    default:
        rig_event_put(&(struct rig_event){.id = "known", .message = "other bytes"}, out);
        break;
    }
}

static struct rig_call *all_bad_among_good(void) {
    struct rig_call *call = rig_call_new();
    for (size_t i = 0; i < N_BAD; i++) {
        char id[32];
        stele_buf payload = STELE_BUF_EMPTY;
        (void)snprintf(id, sizeof id, "good-%zu", i);
        rig_call_add(call, &(struct rig_event){.id = id});
        make_bad(i, &payload);
        rig_call_add_bytes(call, stele_view_buf(&payload));
        stele_buf_done(&payload);
    }
    return call;
}

static void store_known(void) {
    struct rig_call *call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = "known"});
    rig_call_send_ok(call, bed.client);
    assert_int_equal(call->event[0].code, 0);
    rig_call_free(call);
}

/* The good ones are stored in their order, each where its ack says. */
static void check_goods(void) {
    struct bed_log *stored = bed_log_read(0, "3y");
    assert_int_equal(stored->n, N_BAD + 1);
    for (size_t i = 0; i < N_BAD; i++) {
        char id[32];
        struct stele_event_head head;
        (void)snprintf(id, sizeof id, "good-%zu", i);
        assert_ok(stele_event_check(stele_view_buf(&stored->payload[i + 1]), &head, NULL));
        assert_true(stele_view_is(head.event_id, id));
    }
    bed_log_free(stored);
}

static void test_ingest_refusals__each_bad_event_is_refused_alone(void **state) {
    (void)state;
    store_known();
    struct rig_call *call = all_bad_among_good();
    rig_call_send_ok(call, bed.client);
    assert_int_equal(call->n, 2 * N_BAD);
    for (size_t i = 0; i < N_BAD; i++) {
        assert_int_equal(call->event[2 * i].code, 0);
        assert_true(stele_view_is(call->event[2 * i].log, "eu/3y"));
        if (call->event[2 * i + 1].code != bad_events[i].code) {
            fail_msg("%s: code %u", bad_events[i].what, call->event[2 * i + 1].code);
        }
        expect_word(call->event[2 * i + 1].error, bad_events[i].word);
        assert_int_equal(call->event[2 * i + 1].log.size, 0);
    }
    check_goods();
    assert_int_equal(bed_log_count(0, "1y") + bed_log_count(1, "1y") + bed_log_count(1, "3y"), 0);
    struct stele_ingest_stats stats;
    stele_ingest_stats_of(bed.rig.ingest, &stats);
    assert_int_equal(stats.events_stored, N_BAD + 1);
    assert_int_equal(stats.events_refused, N_BAD);
    rig_call_free(call);
}

static void test_ingest_refusals__a_stream_refuses_the_same(void **state) {
    (void)state;
    store_known();
    struct rig_call *call = all_bad_among_good();
    struct rig_stream *s = rig_stream_open(bed.client);
    rig_stream_send(s, call);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < 2 * N_BAD) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    for (size_t i = 0; i < N_BAD; i++) {
        assert_int_equal(s->event[2 * i].code, 0);
        assert_int_equal(s->event[2 * i + 1].code, bad_events[i].code);
        expect_word(stele_view_str(s->event[2 * i + 1].error), bad_events[i].word);
    }
    check_goods();
    rig_stream_close(s);
    rig_call_free(call);
}

static void test_ingest_refusals__each_refusal_is_in_the_journal(void **state) {
    (void)state;
    store_known();
    struct rig_call *call = all_bad_among_good();
    rig_call_send_ok(call, bed.client);
    ingest_bed_restart(); /* which writes what is left */
    struct bed_log *journal = bed_log_read(0, STELE_SYSTEM_LOG);
    assert_int_equal(journal->n, N_BAD);
    for (size_t i = 0; i < N_BAD; i++) {
        struct stele_event_head head;
        stele_view payload = stele_view_buf(&journal->payload[i]);
        stele_err err = {0};
        if (stele_event_check(payload, &head, &err) != STELE_OK) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(head.event_type, 11);
        expect_word(payload, "cn:client");
        if (i != 1 && i != 2) { /* these two have no readable words */
            expect_word(payload, bad_events[i].word);
        }
        /* What another region's event was called is not noted here. */
        assert_true((memmem(payload.data, payload.size, "acme", 4) != NULL) ==
                    (i != 1 && i != 2 && i != 8 && i != 9 && i != 10));
    }
    assert_int_equal(bed_log_count(1, STELE_SYSTEM_LOG), 0);
    bed_log_free(journal);
    rig_call_free(call);
}

/* ------------------------------------------------------------------ bad messages */

static void refuse_message(struct rig_call *call, const char *word) {
    assert_status(rig_call_send(call, bed.client), INVALID);
    assert_int_equal(call->result.code, STELE_RPC_INVALID_ARGUMENT);
    expect_word(stele_view_str(call->err.text), word);
    rig_call_free(call);
}

static void test_ingest_refusals__bad_messages_store_nothing(void **state) {
    (void)state;
    struct rig_call *call = rig_call_new();
    for (int i = 0; i < 1001; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "m-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id});
    }
    refuse_message(call, "over 1000 events");
    call = rig_call_new();
    for (int i = 0; call->request.size <= STELE_APPEND_BYTES_MAX; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "m-%d", i);
        rig_call_add(call, &(struct rig_event){.id = id, .padding_bytes = 32768});
    }
    refuse_message(call, "at most 4194304");
    call = rig_call_new();
    rig_call_add(call, &(struct rig_event){.id = "m-0"});
    call->request.size--;
    refuse_message(call, "past the end");
    call = rig_call_new();
    assert_ok(stele_buf_append(&call->request, stele_view_str("nonsense"), NULL));
    refuse_message(call, "not protobuf");
    assert_int_equal(bed_log_count(0, "3y"), 0);
    /* And an empty one is no error. */
    call = rig_call_new();
    rig_call_send_ok(call, bed.client);
    assert_int_equal(call->n, 0);
    rig_call_free(call);
}

static void test_ingest_refusals__only_known_certificates_get_in(void **state) {
    (void)state;
    const char *const who[] = {"stranger", NULL};
    for (size_t i = 0; i < 2; i++) {
        struct stele_rpc_client *other = ingest_rig_client(&bed.rig, who[i]);
        struct rig_call *call = rig_call_new();
        rig_call_add(call, &(struct rig_event){.id = "x"});
        assert_status(rig_call_send(call, other), CLOSED);
        assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
        rig_call_free(call);
        stele_rpc_client_close(other);
    }
    assert_int_equal(bed_log_count(0, "3y"), 0);
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(test_ingest_refusals__##name, ingest_bed_setup,                \
                                    ingest_bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(each_bad_event_is_refused_alone), T(a_stream_refuses_the_same),
        T(each_refusal_is_in_the_journal),  T(bad_messages_store_nothing),
        T(only_known_certificates_get_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
