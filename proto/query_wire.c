/* SPDX-License-Identifier: Apache-2.0 */
/* proto/query_wire.c: the messages of query.proto as tables of their members. */
#include "proto/query_wire.h"

#include "proto/wire_out.h"

#define MEMBER(number, kind, type, member)                                                         \
    { (number), STELE_WIRE_##kind, offsetof(type, member), #member, NULL }

typedef struct stele_filter_message filter_message;
typedef struct stele_search_request search_request;
typedef struct stele_get_request get_request;

static const struct stele_wire_member filter_members[] = {
    MEMBER(1, TEXT, filter_message, tenant),
    MEMBER(2, TEXT, filter_message, actor),
    MEMBER(3, TEXT, filter_message, resource),
    MEMBER(4, TEXT, filter_message, resource_version),
    MEMBER(5, NUMBER, filter_message, event_type),
    MEMBER(6, NUMBER, filter_message, action),
    MEMBER(7, NUMBER, filter_message, outcome),
    MEMBER(8, TEXT, filter_message, model_id),
    MEMBER(9, TEXT, filter_message, model_version),
    MEMBER(10, TEXT, filter_message, session),
    MEMBER(11, TEXT, filter_message, correlation),
    MEMBER(12, TEXT, filter_message, credential),
    MEMBER(13, TEXT, filter_message, source),
    MEMBER(20, TIME, filter_message, since_unix_nano),
    MEMBER(21, TIME, filter_message, until_unix_nano),
    MEMBER(22, TIME, filter_message, logged_since_unix_nano),
    MEMBER(23, TIME, filter_message, logged_until_unix_nano),
};
static const struct stele_wire_form filter_form = {
    "filter", filter_members, sizeof filter_members / sizeof filter_members[0]};

static const struct stele_wire_member known_members[] = {
    MEMBER(1, TEXT, struct stele_wire_size, name),
    MEMBER(2, NUMBER, struct stele_wire_size, size),
};
static const struct stele_wire_form known_form = {"known log", known_members,
                                                  sizeof known_members / sizeof known_members[0]};

static const struct stele_wire_member search_members[] = {
    MEMBER(1, TEXT, search_request, region),
    MEMBER(2, TEXTS, search_request, log),
    {3, STELE_WIRE_MESSAGE, offsetof(search_request, filter), "filter", &filter_form},
    MEMBER(4, NUMBER, search_request, order),
    MEMBER(5, NUMBER, search_request, limit),
    MEMBER(6, TEXT, search_request, cursor),
    MEMBER(7, FLAG, search_request, prove),
    {8, STELE_WIRE_SIZES, offsetof(search_request, known), "known", &known_form},
    MEMBER(9, NUMBER, search_request, open_condition),
    MEMBER(10, FLAG, search_request, strict),
    MEMBER(11, FLAG, search_request, count_only),
};
static const struct stele_wire_form search_form = {
    "question", search_members, sizeof search_members / sizeof search_members[0]};

static const struct stele_wire_member get_members[] = {
    MEMBER(1, TEXT, get_request, log),
    MEMBER(2, NUMBER, get_request, seq),
    MEMBER(3, FLAG, get_request, want_receipt),
};
static const struct stele_wire_form get_form = {"get request", get_members,
                                                sizeof get_members / sizeof get_members[0]};

stele_status stele_search_request_read(stele_view message, struct stele_search_request *ret,
                                       stele_err *err) {
    struct stele_search_request request = {0};
    stele_status st = stele_wire_read(&search_form, message, &request, err);
    if (st == STELE_OK) {
        *ret = request;
    }
    return st;
}

stele_status stele_get_request_read(stele_view message, struct stele_get_request *ret,
                                    stele_err *err) {
    struct stele_get_request request = {0};
    stele_status st = stele_wire_read(&get_form, message, &request, err);
    if (st == STELE_OK) {
        *ret = request;
    }
    return st;
}

static void write_counted(struct stele_wire_out *w, uint32_t number, stele_view name,
                          uint64_t count) {
    size_t mark = stele_wire_out_begin(w, number);
    stele_wire_out_bytes(w, 1, name);
    stele_wire_out_uint(w, 2, count);
    stele_wire_out_end(w, mark);
}

static void write_filter(struct stele_wire_out *w, const struct stele_filter_message *filter) {
    for (size_t i = 0; i < sizeof filter_members / sizeof filter_members[0]; i++) {
        const struct stele_wire_member *m = &filter_members[i];
        const void *from = (const uint8_t *)filter + m->offset;
        if (m->kind == STELE_WIRE_TEXT) {
            stele_wire_out_bytes(w, m->number, *(const stele_view *)from);
        } else if (m->kind == STELE_WIRE_TIME) {
            stele_wire_out_fixed64(w, m->number, *(const uint64_t *)from);
        } else {
            stele_wire_out_uint(w, m->number, *(const uint64_t *)from);
        }
    }
}

stele_status stele_search_request_write(const struct stele_search_request *request, stele_buf *out,
                                        stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_bytes(&w, 1, request->region);
    for (size_t i = 0; i < request->log.n; i++) {
        stele_wire_out_element(&w, 2, request->log.item[i]);
    }
    size_t mark = stele_wire_out_begin(&w, 3);
    write_filter(&w, &request->filter);
    stele_wire_out_end(&w, mark);
    stele_wire_out_uint(&w, 4, request->order);
    stele_wire_out_uint(&w, 5, request->limit);
    stele_wire_out_bytes(&w, 6, request->cursor);
    stele_wire_out_uint(&w, 7, request->prove ? 1 : 0);
    for (size_t i = 0; i < request->known.n; i++) {
        write_counted(&w, 8, request->known.item[i].name, request->known.item[i].size);
    }
    stele_wire_out_uint(&w, 9, request->open_condition);
    stele_wire_out_uint(&w, 10, request->strict ? 1 : 0);
    stele_wire_out_uint(&w, 11, request->count_only ? 1 : 0);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_get_response_write(const struct stele_hit *hit, stele_view entry,
                                      stele_view receipt, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    stele_status st = stele_hit_put(out, 1, hit, err);
    if (st == STELE_OK) {
        struct stele_wire_out w = stele_wire_out_to(out);
        stele_wire_out_bytes(&w, 2, entry);
        stele_wire_out_bytes(&w, 3, receipt);
        st = stele_wire_out_done(&w, before, err);
    }
    return st;
}

stele_status stele_count_response_put_log(stele_buf *out, stele_view log, uint64_t count,
                                          stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    write_counted(&w, 2, log, count);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_count_response_put_total(stele_buf *out, uint64_t count, stele_view cursor,
                                            stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, 1, count);
    stele_wire_out_bytes(&w, 3, cursor);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_explain_response_put_plan(stele_buf *out, const struct stele_log_plan *plan,
                                             stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    size_t mark = stele_wire_out_begin(&w, 1);
    stele_wire_out_bytes(&w, 1, plan->log);
    stele_wire_out_uint(&w, 2, plan->size);
    stele_wire_out_bytes(&w, 3, plan->key);
    stele_wire_out_uint(&w, 4, plan->postings);
    stele_wire_out_uint(&w, 5, plan->segments);
    stele_wire_out_uint(&w, 6, plan->segments_skipped);
    for (size_t i = 0; i < plan->n_considered; i++) {
        write_counted(&w, 7, plan->considered[i].key, plan->considered[i].postings);
    }
    stele_wire_out_bytes(&w, 8, plan->narrowed_by);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}
