/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/query_wire.h: the requests of query.proto read, and its unary replies written, without
 * generated code. Layer: proto. Pure. Streamed answers are in proto/hit_wire.h.
 *
 * Generated C code ends a string at its first NUL and passes over unknown members: for a question,
 * both would mean answering another one. What is read here borrows the message.
 */
#ifndef STELE_PROTO_QUERY_WIRE_H
#define STELE_PROTO_QUERY_WIRE_H

#include "proto/hit_wire.h"
#include "proto/wire_read.h"

/* Members as they came, unjudged: an empty text and a 0 are members that were not set. */
struct stele_filter_message {
    stele_view tenant, actor, resource, resource_version;
    uint64_t event_type, action, outcome;
    stele_view model_id, model_version, session, correlation, credential, source;
    uint64_t since_unix_nano, until_unix_nano, logged_since_unix_nano, logged_until_unix_nano;
};
struct stele_search_request {
    stele_view region;
    struct stele_wire_list log;
    struct stele_filter_message filter;
    uint64_t order;
    uint64_t limit;
    stele_view cursor;
    bool prove;
    struct stele_wire_sizes known; /* logs by their origins */
    uint64_t open_condition;
    bool strict;
    bool count_only;
};
struct stele_get_request {
    stele_view log;
    uint64_t seq;
    bool want_receipt;
};
enum { STELE_ORDER_UNSPECIFIED = 0, STELE_ORDER_ASCENDING = 1, STELE_ORDER_DESCENDING = 2 };

/* Errors: those of stele_wire_read. */
STELE_MUST_USE stele_status stele_search_request_read(stele_view message,
                                                      struct stele_search_request *ret,
                                                      stele_err *err);
STELE_MUST_USE stele_status stele_get_request_read(stele_view message,
                                                   struct stele_get_request *ret, stele_err *err);
/* Appends the request as it is; for clients and tests. */
STELE_MUST_USE stele_status stele_search_request_write(const struct stele_search_request *request,
                                                       stele_buf *out, stele_err *err);

/* ------------------------------------------------------------------ replies: each call appends
 * members to a message. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_get_response_write(const struct stele_hit *hit, stele_view entry,
                                                     stele_view receipt, stele_buf *out,
                                                     stele_err *err);

STELE_MUST_USE stele_status stele_count_response_put_log(stele_buf *out, stele_view log,
                                                         uint64_t count, stele_err *err);
/* The rest of a CountResponse. */
STELE_MUST_USE stele_status stele_count_response_put_total(stele_buf *out, uint64_t count,
                                                           stele_view cursor, stele_err *err);

struct stele_key_count {
    stele_view key;
    uint64_t postings;
};
struct stele_log_plan {
    stele_view log;
    uint64_t size;
    stele_view key;
    uint64_t postings;
    uint32_t segments, segments_skipped;
    size_t n_considered;
    const struct stele_key_count *considered; /* borrowed */
    stele_view narrowed_by;                   /* empty: by none */
};
STELE_MUST_USE stele_status stele_explain_response_put_plan(stele_buf *out,
                                                            const struct stele_log_plan *plan,
                                                            stele_err *err);

#endif
