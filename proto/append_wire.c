/* SPDX-License-Identifier: Apache-2.0 */
/* proto/append_wire.c: field by field, with the numbers of ingest.proto. */
#include "proto/append_wire.h"

#include "proto/wire_out.h"

/* Numbers of ingest.proto, in the order of its messages. */
enum {
    REQUEST_EVENT = 1,
    REQUEST_ALL_OR_NOTHING = 2,
    REQUEST_WANT_RECEIPT = 3,
    RESPONSE_RESULT = 1,
    RESULT_LOG = 1,
    RESULT_SEQ = 2,
    RESULT_LOG_TIME = 3,
    RESULT_DUPLICATE = 4,
    RESULT_CODE = 5,
    RESULT_ERROR = 6,
    RESULT_RECEIPT = 7,
    STREAM_ACKED = 1,
    STREAM_STORED = 2,
    STREAM_REFUSED = 3,
    RANGE_FIRST_EVENT = 1,
    RANGE_EVENTS = 2,
    RANGE_LOG = 3,
    RANGE_FIRST_SEQ = 4,
    RANGE_LOG_TIME = 5,
    RANGE_DUPLICATE = 6,
    REFUSAL_EVENT = 1,
    REFUSAL_CODE = 2,
    REFUSAL_ERROR = 3,
};

/* The next record of `w`; a failure names the message and how many of its bytes were left. */
static stele_status next_record(struct stele_wire *w, const char *what,
                                struct stele_wire_record *ret, stele_err *err) {
    size_t left = (size_t)(w->end - w->at);
    stele_status st = stele_wire_next(w, ret);
    if (st != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%s: not protobuf, %zu bytes before its end: %s", what,
                          left, w->problem);
    }
    return STELE_OK;
}

static stele_status expect(const struct stele_wire_record *record, stele_wire_type type,
                           const char *what, stele_err *err) {
    if (record->type != (uint32_t)type) {
        return STELE_FAIL(err, INVALID, "%s: field %u has wire type %u, ingest.proto says %u", what,
                          record->number, record->type, (unsigned)type);
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ requests */

/* Where an event's length stands is known from the one before, so that each would be waited for:
 * the message was put together by another thread, and lies in another processor's cache. What comes
 * FETCH_AHEAD bytes later, as much as this event is long, is asked for here. */
#define FETCH_AHEAD 2048u
#define CACHE_LINE_BYTES 64u

static void fetch_ahead(const struct stele_wire *w, size_t size) {
    size_t left = (size_t)(w->end - w->at);
    size_t end = FETCH_AHEAD + size < left ? FETCH_AHEAD + size : left;
    for (size_t i = FETCH_AHEAD; i < end; i += CACHE_LINE_BYTES) {
        __builtin_prefetch(w->at + i);
    }
}

stele_status stele_append_request_read(stele_view message, stele_append_message kind,
                                       struct stele_append_request *ret, stele_err *err) {
    const char *what = kind == STELE_APPEND_UNARY ? "AppendRequest" : "AppendStreamRequest";
    if (message.size > STELE_APPEND_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "%s: %zu bytes, at most %u; send the events in smaller batches", what,
                          message.size, STELE_APPEND_BYTES_MAX);
    }
    stele_status st = STELE_OK;
    struct stele_wire w = stele_wire_of(message);
    size_t n = 0;
    bool all_or_nothing = false;
    bool want_receipt = false;
    while (!stele_wire_at_end(&w)) {
        struct stele_wire_record record;
        STELE_TRY(next_record(&w, what, &record, err));
        if (record.number == REQUEST_EVENT) {
            STELE_TRY(expect(&record, STELE_WIRE_BYTES, what, err));
            if (n == STELE_APPEND_EVENTS_MAX) {
                return STELE_FAIL(err, LIMIT,
                                  "%s: over %d events; send the rest in another message", what,
                                  STELE_APPEND_EVENTS_MAX);
            }
            ret->event[n++] = record.bytes;
            fetch_ahead(&w, record.bytes.size);
        } else if (kind == STELE_APPEND_UNARY && record.number == REQUEST_ALL_OR_NOTHING) {
            STELE_TRY(expect(&record, STELE_WIRE_VARINT, what, err));
            all_or_nothing = record.value != 0;
        } else if (kind == STELE_APPEND_UNARY && record.number == REQUEST_WANT_RECEIPT) {
            STELE_TRY(expect(&record, STELE_WIRE_VARINT, what, err));
            want_receipt = record.value != 0;
        }
    }
    ret->n_events = n;
    ret->all_or_nothing = all_or_nothing;
    ret->want_receipt = want_receipt;
cleanup:
    return st;
}

stele_status stele_append_request_put_event(stele_buf *request, stele_view payload,
                                            stele_err *err) {
    size_t before = request->size;
    struct stele_wire_out w = stele_wire_out_to(request);
    stele_wire_out_element(&w, REQUEST_EVENT, payload);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_append_request_put_switches(stele_buf *request, bool all_or_nothing,
                                               bool want_receipt, stele_err *err) {
    size_t before = request->size;
    struct stele_wire_out w = stele_wire_out_to(request);
    stele_wire_out_uint(&w, REQUEST_ALL_OR_NOTHING, all_or_nothing);
    stele_wire_out_uint(&w, REQUEST_WANT_RECEIPT, want_receipt);
    return stele_wire_out_done(&w, before, err);
}

size_t stele_append_request_event_bytes(size_t payload_bytes) {
    return 1 + stele_wire_out_varint_bytes(payload_bytes) + payload_bytes;
}

/* ------------------------------------------------------------------ Append's response */

stele_status stele_append_response_put(stele_buf *response,
                                       const struct stele_append_result *result, stele_err *err) {
    size_t before = response->size;
    struct stele_wire_out w = stele_wire_out_to(response);
    size_t mark = stele_wire_out_begin(&w, RESPONSE_RESULT);
    stele_wire_out_bytes(&w, RESULT_LOG, result->log);
    stele_wire_out_uint(&w, RESULT_SEQ, result->seq);
    stele_wire_out_fixed64(&w, RESULT_LOG_TIME, result->log_time_unix_nano);
    stele_wire_out_uint(&w, RESULT_DUPLICATE, result->duplicate);
    stele_wire_out_uint(&w, RESULT_CODE, result->code);
    stele_wire_out_bytes(&w, RESULT_ERROR, result->error);
    stele_wire_out_bytes(&w, RESULT_RECEIPT, result->receipt);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

/* What a field of a response may be read as; one row a known field. */
struct field {
    uint32_t number;
    stele_wire_type type;
    uint64_t *number_to;  /* VARINT and FIXED64 */
    stele_view *bytes_to; /* BYTES */
};

static stele_status read_fields(stele_view message, const char *what, const struct field *field,
                                size_t n_fields, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_wire w = stele_wire_of(message);
    while (!stele_wire_at_end(&w)) {
        struct stele_wire_record record;
        STELE_TRY(next_record(&w, what, &record, err));
        for (size_t i = 0; i < n_fields; i++) {
            if (field[i].number != record.number) {
                continue;
            }
            STELE_TRY(expect(&record, field[i].type, what, err));
            if (field[i].bytes_to != NULL) {
                *field[i].bytes_to = record.bytes;
            } else {
                *field[i].number_to = record.value;
            }
            break;
        }
    }
cleanup:
    return st;
}

static stele_status read_result(stele_view message, struct stele_append_result *ret,
                                stele_err *err) {
    struct stele_append_result result = {0};
    uint64_t duplicate = 0;
    uint64_t code = 0;
    const struct field fields[] = {
        {RESULT_LOG, STELE_WIRE_BYTES, NULL, &result.log},
        {RESULT_SEQ, STELE_WIRE_VARINT, &result.seq, NULL},
        {RESULT_LOG_TIME, STELE_WIRE_FIXED64, &result.log_time_unix_nano, NULL},
        {RESULT_DUPLICATE, STELE_WIRE_VARINT, &duplicate, NULL},
        {RESULT_CODE, STELE_WIRE_VARINT, &code, NULL},
        {RESULT_ERROR, STELE_WIRE_BYTES, NULL, &result.error},
        {RESULT_RECEIPT, STELE_WIRE_BYTES, NULL, &result.receipt},
    };
    stele_status st =
        read_fields(message, "AppendResult", fields, sizeof fields / sizeof *fields, err);
    if (st == STELE_OK) {
        result.duplicate = duplicate != 0;
        result.code = (uint32_t)code;
        *ret = result;
    }
    return st;
}

stele_status stele_append_response_next(struct stele_wire *response,
                                        struct stele_append_result *ret, stele_err *err) {
    stele_status st = STELE_OK;
    const char *what = "AppendResponse";
    while (!stele_wire_at_end(response)) {
        struct stele_wire_record record;
        STELE_TRY(next_record(response, what, &record, err));
        if (record.number == RESPONSE_RESULT) {
            STELE_TRY(expect(&record, STELE_WIRE_BYTES, what, err));
            return read_result(record.bytes, ret, err);
        }
    }
    st = STELE_END;
cleanup:
    return st;
}

/* ------------------------------------------------------------------ AppendStream's responses */

stele_status stele_append_stream_put_acked(stele_buf *response, uint64_t acked_events,
                                           stele_err *err) {
    size_t before = response->size;
    struct stele_wire_out w = stele_wire_out_to(response);
    stele_wire_out_uint(&w, STREAM_ACKED, acked_events);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_append_stream_put_range(stele_buf *response,
                                           const struct stele_append_range *range, stele_err *err) {
    size_t before = response->size;
    struct stele_wire_out w = stele_wire_out_to(response);
    size_t mark = stele_wire_out_begin(&w, STREAM_STORED);
    stele_wire_out_uint(&w, RANGE_FIRST_EVENT, range->first_event);
    stele_wire_out_uint(&w, RANGE_EVENTS, range->events);
    stele_wire_out_bytes(&w, RANGE_LOG, range->log);
    stele_wire_out_uint(&w, RANGE_FIRST_SEQ, range->first_seq);
    stele_wire_out_fixed64(&w, RANGE_LOG_TIME, range->log_time_unix_nano);
    stele_wire_out_uint(&w, RANGE_DUPLICATE, range->duplicate);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_append_stream_put_refusal(stele_buf *response,
                                             const struct stele_append_refusal *refusal,
                                             stele_err *err) {
    size_t before = response->size;
    struct stele_wire_out w = stele_wire_out_to(response);
    size_t mark = stele_wire_out_begin(&w, STREAM_REFUSED);
    stele_wire_out_uint(&w, REFUSAL_EVENT, refusal->event);
    stele_wire_out_uint(&w, REFUSAL_CODE, refusal->code);
    stele_wire_out_bytes(&w, REFUSAL_ERROR, refusal->error);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

static stele_status read_range(stele_view message, struct stele_append_range *ret, stele_err *err) {
    struct stele_append_range range = {0};
    uint64_t events = 0;
    uint64_t duplicate = 0;
    const struct field fields[] = {
        {RANGE_FIRST_EVENT, STELE_WIRE_VARINT, &range.first_event, NULL},
        {RANGE_EVENTS, STELE_WIRE_VARINT, &events, NULL},
        {RANGE_LOG, STELE_WIRE_BYTES, NULL, &range.log},
        {RANGE_FIRST_SEQ, STELE_WIRE_VARINT, &range.first_seq, NULL},
        {RANGE_LOG_TIME, STELE_WIRE_FIXED64, &range.log_time_unix_nano, NULL},
        {RANGE_DUPLICATE, STELE_WIRE_VARINT, &duplicate, NULL},
    };
    stele_status st =
        read_fields(message, "AppendRange", fields, sizeof fields / sizeof *fields, err);
    if (st == STELE_OK) {
        range.events = (uint32_t)events;
        range.duplicate = duplicate != 0;
        *ret = range;
    }
    return st;
}

static stele_status read_refusal(stele_view message, struct stele_append_refusal *ret,
                                 stele_err *err) {
    struct stele_append_refusal refusal = {0};
    uint64_t code = 0;
    const struct field fields[] = {
        {REFUSAL_EVENT, STELE_WIRE_VARINT, &refusal.event, NULL},
        {REFUSAL_CODE, STELE_WIRE_VARINT, &code, NULL},
        {REFUSAL_ERROR, STELE_WIRE_BYTES, NULL, &refusal.error},
    };
    stele_status st =
        read_fields(message, "AppendRefusal", fields, sizeof fields / sizeof *fields, err);
    if (st == STELE_OK) {
        refusal.code = (uint32_t)code;
        *ret = refusal;
    }
    return st;
}

stele_status stele_append_stream_next(struct stele_wire *response, struct stele_append_item *ret,
                                      stele_err *err) {
    stele_status st = STELE_OK;
    const char *what = "AppendStreamResponse";
    while (!stele_wire_at_end(response)) {
        struct stele_wire_record record;
        STELE_TRY(next_record(response, what, &record, err));
        struct stele_append_item item = {.kind = STELE_APPEND_ACKED,
                                         .as.acked_events = record.value};
        if (record.number == STREAM_ACKED) {
            STELE_TRY(expect(&record, STELE_WIRE_VARINT, what, err));
        } else if (record.number == STREAM_STORED) {
            STELE_TRY(expect(&record, STELE_WIRE_BYTES, what, err));
            item.kind = STELE_APPEND_STORED;
            STELE_TRY(read_range(record.bytes, &item.as.stored, err));
        } else if (record.number == STREAM_REFUSED) {
            STELE_TRY(expect(&record, STELE_WIRE_BYTES, what, err));
            item.kind = STELE_APPEND_REFUSED;
            STELE_TRY(read_refusal(record.bytes, &item.as.refused, err));
        } else {
            continue;
        }
        *ret = item;
        return STELE_OK;
    }
    st = STELE_END;
cleanup:
    return st;
}
