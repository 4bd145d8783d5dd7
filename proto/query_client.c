/* SPDX-License-Identifier: Apache-2.0 */
/* proto/query_client.c: requests written, replies unpacked. */
#include "proto/query_client.h"

#include "proto/wire.h"
#include "stele/v1/query.pb-c.h"

static stele_status call(struct stele_rpc_client *client, const char *path,
                         const struct stele_search_request *request, uint32_t timeout_ms,
                         stele_buf *reply, stele_err *err) {
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result;
    stele_status st = STELE_OK;
    STELE_TRY(stele_search_request_write(request, &message, err));
    STELE_TRY(
        stele_rpc_unary(client, path, stele_view_buf(&message), timeout_ms, reply, &result, err));
cleanup:
    stele_buf_done(&message);
    return st;
}

stele_status stele_client_search(struct stele_rpc_client *client,
                                 const struct stele_search_request *request, uint32_t timeout_ms,
                                 struct stele_rpc_stream **ret, stele_err *err) {
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_stream *stream = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_search_request_write(request, &message, err));
    STELE_TRY(stele_rpc_stream_open(client, STELE_SEARCH_PATH, timeout_ms, &stream, err));
    /* A refused send shows again, with its reason, when the caller receives. */
    stele_status sent = stele_rpc_stream_send(stream, stele_view_buf(&message), NULL);
    if (sent == STELE_OK) {
        sent = stele_rpc_stream_half_close(stream, NULL);
    }
    (void)sent;
    *ret = stream;
cleanup:
    stele_buf_done(&message);
    return st;
}

stele_status stele_client_count(struct stele_rpc_client *client,
                                const struct stele_search_request *request, uint32_t timeout_ms,
                                uint64_t *ret_count, stele_err *err) {
    struct stele_search_request next = *request;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_buf cursor = STELE_BUF_EMPTY;
    Stele__V1__CountResponse *response = NULL;
    stele_status st = STELE_OK;
    uint64_t count = 0;
    do {
        stele_buf_clear(&reply);
        STELE_TRY(call(client, "/stele.v1.Query/Count", &next, timeout_ms, &reply, err));
        response = stele__v1__count_response__unpack(NULL, reply.size, reply.data);
        if (response == NULL) {
            STELE_TRY(STELE_FAIL(
                err, INVALID,
                "the server's count is no CountResponse; is it a stele of another version?"));
        }
        count += response->count;
        stele_buf_clear(&cursor);
        STELE_TRY(stele_buf_append(&cursor, stele_view_str(response->cursor), err));
        next.cursor = stele_view_buf(&cursor);
        stele__v1__count_response__free_unpacked(response, NULL);
        response = NULL;
    } while (cursor.size > 0);
    *ret_count = count;
cleanup:
    if (response != NULL) {
        stele__v1__count_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&reply);
    stele_buf_done(&cursor);
    return st;
}

static stele_status give_plan(const Stele__V1__LogPlan *message, stele_plan_fn fn, void *ctx,
                              stele_err *err) {
    struct stele_key_count considered[64];
    struct stele_log_plan plan = {.log = stele_view_str(message->log),
                                  .size = message->size,
                                  .key = stele_view_str(message->key),
                                  .postings = message->postings,
                                  .segments = message->segments,
                                  .segments_skipped = message->segments_skipped,
                                  .considered = considered,
                                  .narrowed_by = stele_view_str(message->narrowed_by)};
    for (size_t i = 0; i < message->n_considered && i < 64; i++) {
        considered[plan.n_considered++] = (struct stele_key_count){
            stele_view_str(message->considered[i]->key), message->considered[i]->postings};
    }
    return fn(ctx, &plan, err);
}

stele_status stele_client_explain(struct stele_rpc_client *client,
                                  const struct stele_search_request *request, uint32_t timeout_ms,
                                  stele_plan_fn fn, void *ctx, stele_err *err) {
    stele_buf reply = STELE_BUF_EMPTY;
    Stele__V1__ExplainResponse *response = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(call(client, "/stele.v1.Query/Explain", request, timeout_ms, &reply, err));
    response = stele__v1__explain_response__unpack(NULL, reply.size, reply.data);
    if (response == NULL) {
        STELE_TRY(STELE_FAIL(
            err, INVALID,
            "the server's plan is no ExplainResponse; is it a stele of another version?"));
    }
    for (size_t i = 0; i < response->n_plan; i++) {
        STELE_TRY(give_plan(response->plan[i], fn, ctx, err));
    }
cleanup:
    if (response != NULL) {
        stele__v1__explain_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&reply);
    return st;
}

/* GetResponse: 1 hit, 2 entry, 3 receipt; read in place, so that the event stays the stored bytes.
 */
static stele_status read_got(stele_view reply, struct stele_got *ret, stele_err *err) {
    struct stele_wire wire = stele_wire_of(reply);
    struct stele_got got = {0};
    stele_status st = STELE_OK;
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record;
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return STELE_FAIL(err, INVALID, "the server's reply is no GetResponse: %s",
                              wire.problem);
        }
        if (record.type != STELE_WIRE_BYTES) {
            continue;
        }
        if (record.number == 1) {
            STELE_TRY(stele_hit_read(record.bytes, &got.hit, err));
        } else if (record.number == 2) {
            got.entry = record.bytes;
        } else if (record.number == 3) {
            got.receipt = record.bytes;
        }
    }
    *ret = got;
cleanup:
    return st;
}

stele_status stele_client_get(struct stele_rpc_client *client,
                              const struct stele_get_request *request, uint32_t timeout_ms,
                              stele_buf *reply, struct stele_got *ret, stele_err *err) {
    Stele__V1__GetRequest message;
    stele_buf packed = STELE_BUF_EMPTY;
    stele_buf log = STELE_BUF_EMPTY;
    struct stele_rpc_result result;
    stele_status st = STELE_OK;
    stele__v1__get_request__init(&message);
    STELE_TRY(stele_buf_printf(&log, err, "%.*s", (int)request->log.size,
                               (const char *)request->log.data));
    message.log = (char *)log.data;
    message.seq = request->seq;
    message.want_receipt = request->want_receipt;
    STELE_TRY(stele_buf_reserve(&packed, stele__v1__get_request__get_packed_size(&message), err));
    packed.size = stele__v1__get_request__pack(&message, packed.data);
    stele_buf_clear(reply);
    STELE_TRY(stele_rpc_unary(client, "/stele.v1.Query/Get", stele_view_buf(&packed), timeout_ms,
                              reply, &result, err));
    STELE_TRY(read_got(stele_view_buf(reply), ret, err));
cleanup:
    stele_buf_done(&packed);
    stele_buf_done(&log);
    return st;
}
