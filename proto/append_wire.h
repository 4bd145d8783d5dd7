/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/append_wire.h: the messages of ingest.proto, read in place and written by hand. Layer:
 * proto. Pure.
 *
 * The events of a request stay where they lie: what the log commits to are the bytes the client
 * sent, and a batch of a thousand is taken apart without a copy. Both directions are here, for the
 * server and for clients; tests hold them against the code protoc-c makes from ingest.proto.
 *
 * Unknown fields are let through, also those a newer client sends; a known field with a wrong wire
 * type is refused. A singular field that comes twice counts as its last, as everywhere in protobuf.
 */
#ifndef STELE_PROTO_APPEND_WIRE_H
#define STELE_PROTO_APPEND_WIRE_H

#include "proto/wire.h"

#define STELE_APPEND_PATH "/stele.v1.Ingest/Append"
#define STELE_APPEND_STREAM_PATH "/stele.v1.Ingest/AppendStream"
#define STELE_APPEND_EVENTS_MAX 1000      /* what ingest.proto promises to take in one message */
#define STELE_APPEND_BYTES_MAX (4u << 20) /* the same: a whole message, gRPC's own default */

/* ------------------------------------------------------------------ requests */
struct stele_append_request {
    size_t n_events;
    bool all_or_nothing; /* AppendRequest only, as the next */
    bool want_receipt;
    stele_view event[STELE_APPEND_EVENTS_MAX]; /* borrow the message */
};
typedef enum stele_append_message {
    STELE_APPEND_UNARY,  /* AppendRequest */
    STELE_APPEND_STREAM, /* AppendStreamRequest */
} stele_append_message;

/*
 * Takes a request apart; the events themselves are not looked into.
 * Errors: LIMIT: over 4 MiB or 1,000 events; INVALID: not a request, and where it stops being one.
 */
STELE_MUST_USE stele_status stele_append_request_read(stele_view message, stele_append_message kind,
                                                      struct stele_append_request *ret,
                                                      stele_err *err);
/* For clients: appends one more event, and the two switches, to a request being built. Errors:
 * NO_MEMORY. */
STELE_MUST_USE stele_status stele_append_request_put_event(stele_buf *request, stele_view payload,
                                                           stele_err *err);
STELE_MUST_USE stele_status stele_append_request_put_switches(stele_buf *request,
                                                              bool all_or_nothing,
                                                              bool want_receipt, stele_err *err);
/* Bytes one more event would take in a request, to keep under STELE_APPEND_BYTES_MAX. */
size_t stele_append_request_event_bytes(size_t payload_bytes);

/* ------------------------------------------------------------------ Append's response */
struct stele_append_result {
    stele_view log; /* views borrow the message when read */
    uint64_t seq;
    uint64_t log_time_unix_nano;
    bool duplicate;
    uint32_t code;
    stele_view error;
    stele_view receipt;
};
STELE_MUST_USE stele_status stele_append_response_put(stele_buf *response,
                                                      const struct stele_append_result *result,
                                                      stele_err *err);
/* The next result of a response, read from stele_wire_of(response). Errors: END, INVALID. */
STELE_MUST_USE stele_status stele_append_response_next(struct stele_wire *response,
                                                       struct stele_append_result *ret,
                                                       stele_err *err);

/* ------------------------------------------------------------------ AppendStream's responses */
struct stele_append_range {
    uint64_t first_event;
    uint32_t events;
    stele_view log;
    uint64_t first_seq;
    uint64_t log_time_unix_nano;
    bool duplicate;
};
struct stele_append_refusal {
    uint64_t event;
    uint32_t code;
    stele_view error;
};
/* acked_events goes first; ranges and refusals follow in stream order. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_append_stream_put_acked(stele_buf *response,
                                                          uint64_t acked_events, stele_err *err);
STELE_MUST_USE stele_status stele_append_stream_put_range(stele_buf *response,
                                                          const struct stele_append_range *range,
                                                          stele_err *err);
STELE_MUST_USE stele_status stele_append_stream_put_refusal(
    stele_buf *response, const struct stele_append_refusal *refusal, stele_err *err);

typedef enum stele_append_item_kind {
    STELE_APPEND_ACKED,
    STELE_APPEND_STORED,
    STELE_APPEND_REFUSED,
} stele_append_item_kind;
struct stele_append_item {
    stele_append_item_kind kind;
    union {
        uint64_t acked_events;
        struct stele_append_range stored;
        struct stele_append_refusal refused;
    } as;
};
/* The next part of a response, read from stele_wire_of(response). Errors: END, INVALID. */
STELE_MUST_USE stele_status stele_append_stream_next(struct stele_wire *response,
                                                     struct stele_append_item *ret, stele_err *err);

#endif
