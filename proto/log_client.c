/* SPDX-License-Identifier: Apache-2.0 */
/* proto/log_client.c: requests packed, replies unpacked. */
#include "proto/log_client.h"

#include "stele/v1/log.pb-c.h"

#define ANSWER_MS 5000 /* for the way there and back, beyond what a call waits for */

/* The name in a form protobuf-c takes: its strings are not const. */
static stele_status own(const char *text, stele_buf *ret, stele_err *err) {
    return stele_buf_append(ret, stele_view_of(text, stele_view_str(text).size + 1), err);
}

static stele_status no_reply(const char *what, stele_err *err) {
    return STELE_FAIL(err, INVALID,
                      "the server's %s cannot be read; is it a stele of another version?", what);
}

struct method {
    const char *path;
    const ProtobufCMessageDescriptor *reply;
    const char *what; /* the reply is, in messages */
};
static const struct method get_checkpoint = {
    "/stele.v1.Log/GetCheckpoint", &stele__v1__get_checkpoint_response__descriptor, "checkpoint"};
static const struct method get_consistency = {
    "/stele.v1.Log/GetConsistencyProof", &stele__v1__get_consistency_proof_response__descriptor,
    "consistency proof"};
static const struct method get_tile = {"/stele.v1.Log/GetTile",
                                       &stele__v1__get_tile_response__descriptor, "tile"};
static const struct method get_status = {"/stele.v1.Log/Status",
                                         &stele__v1__status_response__descriptor, "status"};
static const struct method seal_log = {"/stele.v1.Log/Seal", &stele__v1__seal_response__descriptor,
                                       "answer to a seal"};
static const struct method cut_era = {
    "/stele.v1.Log/CutEra", &stele__v1__cut_era_response__descriptor, "answer to an era cut"};

/* Packs `request`, calls, unpacks the reply, which is freed with protobuf_c_message_free_unpacked.
 */
static stele_status call(struct stele_rpc_client *client, const struct method *method,
                         const ProtobufCMessage *request, uint32_t timeout_ms,
                         ProtobufCMessage **ret, stele_err *err) {
    stele_buf packed = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_result result;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_reserve(&packed, protobuf_c_message_get_packed_size(request), err));
    packed.size = protobuf_c_message_pack(request, packed.data);
    STELE_TRY(stele_rpc_unary(client, method->path, stele_view_buf(&packed), timeout_ms, &reply,
                              &result, err));
    *ret = protobuf_c_message_unpack(method->reply, NULL, reply.size, reply.data);
    STELE_TRY(*ret == NULL ? no_reply(method->what, err) : STELE_OK);
cleanup:
    stele_buf_done(&packed);
    stele_buf_done(&reply);
    return st;
}

stele_status stele_client_checkpoint(struct stele_rpc_client *client, const char *log,
                                     uint64_t min_size, uint32_t timeout_ms, stele_buf *note,
                                     stele_err *err) {
    Stele__V1__GetCheckpointRequest request;
    ProtobufCMessage *reply = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__get_checkpoint_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.min_size = min_size;
    STELE_TRY(call(client, &get_checkpoint, &request.base, timeout_ms, &reply, err));
    const Stele__V1__GetCheckpointResponse *response =
        (const Stele__V1__GetCheckpointResponse *)(const void *)reply;
    STELE_TRY(stele_buf_append(note, stele_view_of(response->note.data, response->note.len), err));
cleanup:
    protobuf_c_message_free_unpacked(reply, NULL);
    stele_buf_done(&name);
    return st;
}

stele_status stele_client_consistency(struct stele_rpc_client *client, const char *log,
                                      uint64_t old_size, uint32_t timeout_ms, stele_buf *path,
                                      stele_buf *note, stele_err *err) {
    Stele__V1__GetConsistencyProofRequest request;
    ProtobufCMessage *reply = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__get_consistency_proof_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.old_size = old_size;
    STELE_TRY(call(client, &get_consistency, &request.base, timeout_ms, &reply, err));
    const Stele__V1__GetConsistencyProofResponse *response =
        (const Stele__V1__GetConsistencyProofResponse *)(const void *)reply;
    for (size_t i = 0; i < response->n_path; i++) {
        STELE_TRY(response->path[i].len != 32
                      ? no_reply("consistency proof", err)
                      : stele_buf_append(path, stele_view_of(response->path[i].data, 32), err));
    }
    STELE_TRY(stele_buf_append(note, stele_view_of(response->note.data, response->note.len), err));
cleanup:
    protobuf_c_message_free_unpacked(reply, NULL);
    stele_buf_done(&name);
    return st;
}

stele_status stele_client_tile(struct stele_rpc_client *client, const char *log, const char *path,
                               uint32_t timeout_ms, stele_buf *tile, stele_err *err) {
    Stele__V1__GetTileRequest request;
    ProtobufCMessage *reply = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf where = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__get_tile_request__init(&request);
    STELE_TRY(own(log, &name, err));
    STELE_TRY(own(path, &where, err));
    request.log = (char *)name.data;
    request.path = (char *)where.data;
    STELE_TRY(call(client, &get_tile, &request.base, timeout_ms, &reply, err));
    const Stele__V1__GetTileResponse *response =
        (const Stele__V1__GetTileResponse *)(const void *)reply;
    STELE_TRY(stele_buf_append(tile, stele_view_of(response->tile.data, response->tile.len), err));
cleanup:
    protobuf_c_message_free_unpacked(reply, NULL);
    stele_buf_done(&name);
    stele_buf_done(&where);
    return st;
}

static stele_status give_entries(stele_view message, uint64_t *next, stele_entry_fn fn, void *ctx,
                                 stele_err *err) {
    Stele__V1__GetEntriesResponse *response =
        stele__v1__get_entries_response__unpack(NULL, message.size, message.data);
    stele_status st = STELE_OK;
    STELE_TRY(response == NULL || response->first != *next ? no_reply("entries", err) : STELE_OK);
    for (size_t i = 0; i < response->n_entry; i++) {
        STELE_TRY(
            fn(ctx, *next, stele_view_of(response->entry[i].data, response->entry[i].len), err));
        (*next)++;
    }
cleanup:
    if (response != NULL) {
        stele__v1__get_entries_response__free_unpacked(response, NULL);
    }
    return st;
}

stele_status stele_client_entries(struct stele_rpc_client *client, const char *log, uint64_t first,
                                  uint64_t count, stele_entry_fn fn, void *ctx, stele_err *err) {
    Stele__V1__GetEntriesRequest request;
    struct stele_rpc_stream *stream = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint64_t next = first;
    stele__v1__get_entries_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.first = first;
    request.count = count;
    STELE_TRY(stele_buf_reserve(&message, stele__v1__get_entries_request__get_packed_size(&request),
                                err));
    message.size = stele__v1__get_entries_request__pack(&request, message.data);
    STELE_TRY(stele_rpc_stream_open(client, "/stele.v1.Log/GetEntries", 0, &stream, err));
    /* A refused send shows again, with its reason, at the first receive. */
    stele_status sent = stele_rpc_stream_send(stream, stele_view_buf(&message), NULL);
    sent = sent == STELE_OK ? stele_rpc_stream_half_close(stream, NULL) : sent;
    (void)sent;
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        STELE_TRY(give_entries(stele_view_buf(&message), &next, fn, ctx, err));
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&name);
    stele_buf_done(&message);
    return st;
}

static stele_status give_statuses(const Stele__V1__StatusResponse *response, stele_log_status_fn fn,
                                  void *ctx, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; st == STELE_OK && i < response->n_log; i++) {
        const Stele__V1__LogStatus *log = response->log[i];
        const struct stele_log_status status = {.log = stele_view_str(log->log),
                                                .size = log->size,
                                                .checkpoint_size = log->checkpoint_size,
                                                .covered = log->covered,
                                                .index_seq = log->index_seq,
                                                .index_time_us = log->index_time_us,
                                                .lag_entries = log->lag_entries,
                                                .lag_us = log->lag_us,
                                                .segments = log->segments,
                                                .era = log->era};
        st = fn(ctx, &status, err);
    }
    return st;
}

stele_status stele_client_status(struct stele_rpc_client *client, const char *region,
                                 uint32_t timeout_ms, stele_log_status_fn fn, void *ctx,
                                 stele_err *err) {
    Stele__V1__StatusRequest request;
    ProtobufCMessage *reply = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__status_request__init(&request);
    STELE_TRY(own(region, &name, err));
    request.region = (char *)name.data;
    STELE_TRY(call(client, &get_status, &request.base, timeout_ms, &reply, err));
    const Stele__V1__StatusResponse *response =
        (const Stele__V1__StatusResponse *)(const void *)reply;
    STELE_TRY(give_statuses(response, fn, ctx, err));
cleanup:
    protobuf_c_message_free_unpacked(reply, NULL);
    stele_buf_done(&name);
    return st;
}

stele_status stele_client_seal(struct stele_rpc_client *client, const char *log, uint32_t wait_ms,
                               struct stele_sealed *ret, stele_err *err) {
    Stele__V1__SealRequest request;
    ProtobufCMessage *reply = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__seal_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.wait_ms = wait_ms;
    STELE_TRY(call(client, &seal_log, &request.base, wait_ms + ANSWER_MS, &reply, err));
    const Stele__V1__SealResponse *response = (const Stele__V1__SealResponse *)(const void *)reply;
    *ret = (struct stele_sealed){response->covered, response->index_seq, response->index_time_us,
                                 response->segments};
cleanup:
    protobuf_c_message_free_unpacked(reply, NULL);
    stele_buf_done(&name);
    return st;
}

stele_status stele_client_cut_era(struct stele_rpc_client *client, const char *log,
                                  uint32_t timeout_ms, uint32_t *ret_era, stele_err *err) {
    Stele__V1__CutEraRequest request;
    ProtobufCMessage *reply = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__cut_era_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    STELE_TRY(call(client, &cut_era, &request.base, timeout_ms, &reply, err));
    const Stele__V1__CutEraResponse *response =
        (const Stele__V1__CutEraResponse *)(const void *)reply;
    *ret_era = response->era;
cleanup:
    protobuf_c_message_free_unpacked(reply, NULL);
    stele_buf_done(&name);
    return st;
}
