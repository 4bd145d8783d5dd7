/* SPDX-License-Identifier: Apache-2.0 */
/* proto/hit_wire.c: SearchResponse, Hit and SearchEnd of query.proto, by their field numbers. */
#include "proto/hit_wire.h"

#include "proto/wire.h"
#include "proto/wire_out.h"

enum { RESPONSE_HIT = 1, RESPONSE_ANSWER = 2, RESPONSE_END = 3 };
enum { HIT_LOG = 1, HIT_SEQ = 2, HIT_TIME = 3, HIT_EVENT = 4 };
enum { END_HITS = 1, END_CURSOR = 2, END_BUDGET_SPENT = 3, END_ROWS = 4, END_NOT_COMPLETE = 5 };

stele_status stele_hit_put(stele_buf *message, uint32_t number, const struct stele_hit *hit,
                           stele_err *err) {
    size_t before = message->size;
    struct stele_wire_out w = stele_wire_out_to(message);
    size_t mark = stele_wire_out_begin(&w, number);
    stele_wire_out_bytes(&w, HIT_LOG, hit->log);
    stele_wire_out_uint(&w, HIT_SEQ, hit->seq);
    stele_wire_out_fixed64(&w, HIT_TIME, hit->log_time_unix_nano);
    stele_wire_out_bytes(&w, HIT_EVENT, hit->event);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_search_response_put_hit(stele_buf *message, const struct stele_hit *hit,
                                           stele_err *err) {
    return stele_hit_put(message, RESPONSE_HIT, hit, err);
}

stele_status stele_search_response_put_answer(stele_buf *message, stele_view bytes,
                                              stele_err *err) {
    size_t before = message->size;
    struct stele_wire_out w = stele_wire_out_to(message);
    stele_wire_out_bytes(&w, RESPONSE_ANSWER, bytes);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_search_response_put_end(stele_buf *message, const struct stele_search_end *end,
                                           stele_err *err) {
    size_t before = message->size;
    struct stele_wire_out w = stele_wire_out_to(message);
    size_t mark = stele_wire_out_begin(&w, RESPONSE_END);
    stele_wire_out_uint(&w, END_HITS, end->hits);
    stele_wire_out_bytes(&w, END_CURSOR, end->cursor);
    stele_wire_out_uint(&w, END_BUDGET_SPENT, end->budget_spent ? 1 : 0);
    stele_wire_out_uint(&w, END_ROWS, end->rows_examined);
    stele_wire_out_bytes(&w, END_NOT_COMPLETE, end->not_complete);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

/* The type each member must have; a member of another type is refused rather than passed over. */
static stele_status next_record(struct stele_wire *wire, const char *what, const uint8_t *types,
                                size_t n_types, struct stele_wire_record *ret, stele_err *err) {
    if (stele_wire_at_end(wire)) {
        return STELE_END;
    }
    if (stele_wire_next(wire, ret) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%s: %s", what, wire->problem);
    }
    if (ret->number < n_types && ret->type != types[ret->number]) {
        return STELE_FAIL(err, INVALID, "%s: member %u has wire type %u, not %u", what, ret->number,
                          ret->type, types[ret->number]);
    }
    return STELE_OK;
}

static stele_status mark(unsigned *seen, uint32_t number, const char *what, stele_err *err) {
    if (number < 32) {
        if ((*seen >> number & 1u) != 0) {
            return STELE_FAIL(err, INVALID, "%s: member %u stands twice", what, number);
        }
        *seen |= 1u << number;
    }
    return STELE_OK;
}

stele_status stele_hit_read(stele_view message, struct stele_hit *ret, stele_err *err) {
    static const uint8_t types[] = {0, STELE_WIRE_BYTES, STELE_WIRE_VARINT, STELE_WIRE_FIXED64,
                                    STELE_WIRE_BYTES};
    struct stele_wire wire = stele_wire_of(message);
    struct stele_wire_record record = {0};
    struct stele_hit hit = {{NULL, 0}, 0, 0, {NULL, 0}};
    unsigned seen = 0;
    stele_status st = STELE_OK;
    while ((st = next_record(&wire, "hit", types, sizeof types, &record, err)) == STELE_OK) {
        STELE_TRY(mark(&seen, record.number, "hit", err));
        switch (record.number) {
        case HIT_LOG:
            hit.log = record.bytes;
            break;
        case HIT_SEQ:
            hit.seq = record.value;
            break;
        case HIT_TIME:
            hit.log_time_unix_nano = record.value;
            break;
        case HIT_EVENT:
            hit.event = record.bytes;
            break;
        default: /* of a newer server */
            break;
        }
    }
    if (st == STELE_END) {
        *ret = hit;
        st = STELE_OK;
    }
cleanup:
    return st;
}

static stele_status end_read(stele_view message, struct stele_search_end *ret, stele_err *err) {
    static const uint8_t types[] = {0,
                                    STELE_WIRE_VARINT,
                                    STELE_WIRE_BYTES,
                                    STELE_WIRE_VARINT,
                                    STELE_WIRE_VARINT,
                                    STELE_WIRE_BYTES};
    struct stele_wire wire = stele_wire_of(message);
    struct stele_wire_record record = {0};
    struct stele_search_end end = {0};
    unsigned seen = 0;
    stele_status st = STELE_OK;
    while ((st = next_record(&wire, "end of the answer", types, sizeof types, &record, err)) ==
           STELE_OK) {
        STELE_TRY(mark(&seen, record.number, "end of the answer", err));
        switch (record.number) {
        case END_HITS:
            end.hits = record.value;
            break;
        case END_CURSOR:
            end.cursor = record.bytes;
            break;
        case END_BUDGET_SPENT:
            end.budget_spent = record.value != 0;
            break;
        case END_ROWS:
            end.rows_examined = record.value;
            break;
        case END_NOT_COMPLETE:
            end.not_complete = record.bytes;
            break;
        default: /* of a newer server */
            break;
        }
    }
    if (st == STELE_END) {
        *ret = end;
        st = STELE_OK;
    }
cleanup:
    return st;
}

stele_status stele_search_response_next(stele_view *rest, struct stele_search_part *ret,
                                        stele_err *err) {
    static const uint8_t types[] = {0, STELE_WIRE_BYTES, STELE_WIRE_BYTES, STELE_WIRE_BYTES};
    struct stele_wire wire = stele_wire_of(*rest);
    struct stele_wire_record record = {0};
    struct stele_search_part part = {STELE_SEARCH_PART_ANSWER, {{{NULL, 0}, 0, 0, {NULL, 0}}}};
    bool known = false;
    stele_status st = STELE_OK;
    while (!known) {
        STELE_TRY(next_record(&wire, "answer message", types, sizeof types, &record, err));
        known = true;
        switch (record.number) {
        case RESPONSE_HIT:
            part.kind = STELE_SEARCH_PART_HIT;
            STELE_TRY(stele_hit_read(record.bytes, &part.as.hit, err));
            break;
        case RESPONSE_ANSWER:
            part.kind = STELE_SEARCH_PART_ANSWER;
            part.as.answer = record.bytes;
            break;
        case RESPONSE_END:
            part.kind = STELE_SEARCH_PART_END;
            STELE_TRY(end_read(record.bytes, &part.as.end, err));
            break;
        default: /* of a newer server */
            known = false;
            break;
        }
    }
    *rest = stele_view_of(wire.at, (size_t)(wire.end - wire.at));
    *ret = part;
cleanup:
    return st;
}
