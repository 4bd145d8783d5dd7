/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/hit_wire.h: the messages of a streamed answer (SearchResponse of query.proto), written and
 * read without generated code. Layer: proto. Pure.
 *
 * This is the read path's hot loop. The event travels as the bytes that were stored: it is copied
 * once, into the outgoing message, and never unpacked, so that what a client hashes is what the log
 * committed to.
 */
#ifndef STELE_PROTO_HIT_WIRE_H
#define STELE_PROTO_HIT_WIRE_H

#include "storage/bytes.h"

struct stele_hit {
    stele_view log; /* "<region>/<log>" */
    uint64_t seq;
    uint64_t log_time_unix_nano;
    stele_view event; /* empty: no event (control and index entries) */
};
struct stele_search_end {
    uint64_t hits;
    stele_view cursor; /* empty: the answer is whole */
    bool budget_spent;
    uint64_t rows_examined;
    stele_view not_complete; /* why a proof file is not a complete answer; empty: it is one */
};

/* ------------------------------------------------------------------ writing: each call appends one
 * member of a SearchResponse; members may be appended one after the other. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_search_response_put_hit(stele_buf *message,
                                                          const struct stele_hit *hit,
                                                          stele_err *err);
STELE_MUST_USE stele_status stele_search_response_put_answer(stele_buf *message, stele_view bytes,
                                                             stele_err *err);
STELE_MUST_USE stele_status stele_search_response_put_end(stele_buf *message,
                                                          const struct stele_search_end *end,
                                                          stele_err *err);
/* Appends the Hit alone as member `number` of a message of the caller's. */
STELE_MUST_USE stele_status stele_hit_put(stele_buf *message, uint32_t number,
                                          const struct stele_hit *hit, stele_err *err);

/* ------------------------------------------------------------------ reading */
typedef enum stele_search_part_kind {
    STELE_SEARCH_PART_HIT,
    STELE_SEARCH_PART_ANSWER,
    STELE_SEARCH_PART_END,
} stele_search_part_kind;
struct stele_search_part {
    stele_search_part_kind kind;
    union {
        struct stele_hit hit;
        stele_view answer;
        struct stele_search_end end;
    } as;
};
/*
 * Takes the next member off `rest`, a view of what is left of one SearchResponse. Unknown members
 * are passed over. The part borrows the message. Errors: END after the last one; INVALID.
 */
STELE_MUST_USE stele_status stele_search_response_next(stele_view *rest,
                                                       struct stele_search_part *ret,
                                                       stele_err *err);
/* One Hit. Errors: INVALID, also for a member that stands twice. */
STELE_MUST_USE stele_status stele_hit_read(stele_view message, struct stele_hit *ret,
                                           stele_err *err);

#endif
