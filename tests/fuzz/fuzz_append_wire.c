/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_append_wire.c: the messages of ingest.proto. The first byte chooses which one the
 * rest is read as; what parses must hold together, and written again it must read as the same.
 */
#include "proto/append_wire.h"
#include "tests/fuzz/fuzz.h"

static void check_inside(stele_view part, stele_view whole) {
    fuzz_require(part.size == 0 ||
                 (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

static void read_request(stele_view message, stele_append_message kind) {
    static struct stele_append_request request, again;
    stele_buf out = STELE_BUF_EMPTY;
    stele_err err = {0};
    if (stele_append_request_read(message, kind, &request, &err) != STELE_OK) {
        fuzz_require(err.text[0] != '\0');
        return;
    }
    fuzz_require(request.n_events <= STELE_APPEND_EVENTS_MAX);
    size_t expected = 0;
    for (size_t i = 0; i < request.n_events; i++) {
        check_inside(request.event[i], message);
        fuzz_require(stele_append_request_put_event(&out, request.event[i], NULL) == STELE_OK);
        expected += stele_append_request_event_bytes(request.event[i].size);
    }
    fuzz_require(out.size == expected && expected <= message.size);
    fuzz_require(stele_append_request_put_switches(&out, request.all_or_nothing,
                                                   request.want_receipt, NULL) == STELE_OK);
    fuzz_require(stele_append_request_read(stele_view_buf(&out), STELE_APPEND_UNARY, &again,
                                           NULL) == STELE_OK);
    fuzz_require(again.n_events == request.n_events);
    fuzz_require(again.all_or_nothing == request.all_or_nothing);
    fuzz_require(again.want_receipt == request.want_receipt);
    for (size_t i = 0; i < request.n_events; i++) {
        fuzz_require(stele_view_equal(again.event[i], request.event[i]));
    }
    stele_buf_done(&out);
}

static void read_response(stele_view message) {
    struct stele_wire wire = stele_wire_of(message);
    struct stele_append_result result, again;
    while (stele_append_response_next(&wire, &result, NULL) == STELE_OK) {
        stele_buf out = STELE_BUF_EMPTY;
        check_inside(result.log, message);
        check_inside(result.error, message);
        check_inside(result.receipt, message);
        fuzz_require(stele_append_response_put(&out, &result, NULL) == STELE_OK);
        struct stele_wire written = stele_wire_of(stele_view_buf(&out));
        fuzz_require(stele_append_response_next(&written, &again, NULL) == STELE_OK);
        fuzz_require(again.seq == result.seq && again.code == result.code);
        fuzz_require(again.log_time_unix_nano == result.log_time_unix_nano);
        fuzz_require(again.duplicate == result.duplicate);
        fuzz_require(stele_view_equal(again.log, result.log));
        fuzz_require(stele_view_equal(again.error, result.error));
        fuzz_require(stele_view_equal(again.receipt, result.receipt));
        fuzz_require(stele_append_response_next(&written, &again, NULL) == STELE_END);
        stele_buf_done(&out);
    }
}

static void read_stream_response(stele_view message) {
    struct stele_wire wire = stele_wire_of(message);
    struct stele_append_item item;
    while (stele_append_stream_next(&wire, &item, NULL) == STELE_OK) {
        if (item.kind == STELE_APPEND_STORED) {
            check_inside(item.as.stored.log, message);
        } else if (item.kind == STELE_APPEND_REFUSED) {
            check_inside(item.as.refused.error, message);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    stele_view message = stele_view_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        read_request(message, STELE_APPEND_UNARY);
        break;
    case 1:
        read_request(message, STELE_APPEND_STREAM);
        break;
    case 2:
        read_response(message);
        break;
    default:
        read_stream_response(message);
        break;
    }
    return 0;
}
