/* SPDX-License-Identifier: Apache-2.0 */
/* proto/log_client.c: requests packed, replies unpacked. */
#include "proto/log_client.h"

#include "stele/v1/log.pb-c.h"

#define ANSWER_MS 5000 /* for the way there and back, beyond what a call waits for */

/* Packs `message`, calls, leaves the reply in `reply`. */
static stele_status call(struct stele_rpc_client *client, const char *path, const ProtobufCMessage *message,
                         uint32_t timeout_ms, stele_buf *reply, stele_err *err) {
    stele_buf packed = STELE_BUF_EMPTY;
    struct stele_rpc_result result;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_reserve(&packed, protobuf_c_message_get_packed_size(message), err));
    packed.size = protobuf_c_message_pack(message, packed.data);
    STELE_TRY(stele_rpc_unary(client, path, stele_view_buf(&packed), timeout_ms, reply, &result, err));
cleanup:
    stele_buf_done(&packed);
    return st;
}

/* The name in a form protobuf-c takes: its strings are not const. */
static stele_status own(const char *text, stele_buf *ret, stele_err *err) {
    return stele_buf_append(ret, stele_view_of(text, stele_view_str(text).size + 1), err);
}

static stele_status no_reply(const char *what, stele_err *err) {
    return STELE_FAIL(err, INVALID, "the server's %s cannot be read; is it a stele of another version?", what);
}

stele_status stele_client_checkpoint(struct stele_rpc_client *client, const char *log, uint64_t min_size,
                                     uint32_t timeout_ms, stele_buf *note, stele_err *err) {
    Stele__V1__GetCheckpointRequest request;
    Stele__V1__GetCheckpointResponse *response = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__get_checkpoint_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.min_size = min_size;
    STELE_TRY(call(client, "/stele.v1.Log/GetCheckpoint", &request.base, timeout_ms, &reply, err));
    response = stele__v1__get_checkpoint_response__unpack(NULL, reply.size, reply.data);
    STELE_TRY(response == NULL ? no_reply("checkpoint", err)
                               : stele_buf_append(note, stele_view_of(response->note.data, response->note.len), err));
cleanup:
    if (response != NULL) {
        stele__v1__get_checkpoint_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&name);
    stele_buf_done(&reply);
    return st;
}

stele_status stele_client_consistency(struct stele_rpc_client *client, const char *log, uint64_t old_size,
                                      uint32_t timeout_ms, stele_buf *path, stele_buf *note, stele_err *err) {
    Stele__V1__GetConsistencyProofRequest request;
    Stele__V1__GetConsistencyProofResponse *response = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__get_consistency_proof_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.old_size = old_size;
    STELE_TRY(call(client, "/stele.v1.Log/GetConsistencyProof", &request.base, timeout_ms, &reply, err));
    response = stele__v1__get_consistency_proof_response__unpack(NULL, reply.size, reply.data);
    STELE_TRY(response == NULL ? no_reply("consistency proof", err) : STELE_OK);
    for (size_t i = 0; i < response->n_path; i++) {
        STELE_TRY(response->path[i].len != 32
                      ? no_reply("consistency proof", err)
                      : stele_buf_append(path, stele_view_of(response->path[i].data, 32), err));
    }
    STELE_TRY(stele_buf_append(note, stele_view_of(response->note.data, response->note.len), err));
cleanup:
    if (response != NULL) {
        stele__v1__get_consistency_proof_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&name);
    stele_buf_done(&reply);
    return st;
}

stele_status stele_client_tile(struct stele_rpc_client *client, const char *log, const char *path,
                               uint32_t timeout_ms, stele_buf *tile, stele_err *err) {
    Stele__V1__GetTileRequest request;
    Stele__V1__GetTileResponse *response = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf where = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__get_tile_request__init(&request);
    STELE_TRY(own(log, &name, err));
    STELE_TRY(own(path, &where, err));
    request.log = (char *)name.data;
    request.path = (char *)where.data;
    STELE_TRY(call(client, "/stele.v1.Log/GetTile", &request.base, timeout_ms, &reply, err));
    response = stele__v1__get_tile_response__unpack(NULL, reply.size, reply.data);
    STELE_TRY(response == NULL ? no_reply("tile", err)
                               : stele_buf_append(tile, stele_view_of(response->tile.data, response->tile.len), err));
cleanup:
    if (response != NULL) {
        stele__v1__get_tile_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&name);
    stele_buf_done(&where);
    stele_buf_done(&reply);
    return st;
}

static stele_status give_entries(stele_view message, uint64_t *next, stele_entry_fn fn, void *ctx, stele_err *err) {
    Stele__V1__GetEntriesResponse *response = stele__v1__get_entries_response__unpack(NULL, message.size, message.data);
    stele_status st = STELE_OK;
    STELE_TRY(response == NULL || response->first != *next ? no_reply("entries", err) : STELE_OK);
    for (size_t i = 0; i < response->n_entry; i++) {
        STELE_TRY(fn(ctx, *next, stele_view_of(response->entry[i].data, response->entry[i].len), err));
        (*next)++;
    }
cleanup:
    if (response != NULL) {
        stele__v1__get_entries_response__free_unpacked(response, NULL);
    }
    return st;
}

stele_status stele_client_entries(struct stele_rpc_client *client, const char *log, uint64_t first, uint64_t count,
                                  stele_entry_fn fn, void *ctx, stele_err *err) {
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
    STELE_TRY(stele_buf_reserve(&message, stele__v1__get_entries_request__get_packed_size(&request), err));
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

static stele_status give_statuses(const Stele__V1__StatusResponse *response, stele_log_status_fn fn, void *ctx,
                                  stele_err *err) {
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

stele_status stele_client_status(struct stele_rpc_client *client, const char *region, uint32_t timeout_ms,
                                 stele_log_status_fn fn, void *ctx, stele_err *err) {
    Stele__V1__StatusRequest request;
    Stele__V1__StatusResponse *response = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__status_request__init(&request);
    STELE_TRY(own(region, &name, err));
    request.region = (char *)name.data;
    STELE_TRY(call(client, "/stele.v1.Log/Status", &request.base, timeout_ms, &reply, err));
    response = stele__v1__status_response__unpack(NULL, reply.size, reply.data);
    STELE_TRY(response == NULL ? no_reply("status", err) : give_statuses(response, fn, ctx, err));
cleanup:
    if (response != NULL) {
        stele__v1__status_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&name);
    stele_buf_done(&reply);
    return st;
}

stele_status stele_client_seal(struct stele_rpc_client *client, const char *log, uint32_t wait_ms,
                               struct stele_sealed *ret, stele_err *err) {
    Stele__V1__SealRequest request;
    Stele__V1__SealResponse *response = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__seal_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    request.wait_ms = wait_ms;
    STELE_TRY(call(client, "/stele.v1.Log/Seal", &request.base, wait_ms + ANSWER_MS, &reply, err));
    response = stele__v1__seal_response__unpack(NULL, reply.size, reply.data);
    STELE_TRY(response == NULL ? no_reply("answer to a seal", err) : STELE_OK);
    *ret = (struct stele_sealed){response->covered, response->index_seq, response->index_time_us, response->segments};
cleanup:
    if (response != NULL) {
        stele__v1__seal_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&name);
    stele_buf_done(&reply);
    return st;
}

stele_status stele_client_cut_era(struct stele_rpc_client *client, const char *log, uint32_t timeout_ms,
                                  uint32_t *ret_era, stele_err *err) {
    Stele__V1__CutEraRequest request;
    Stele__V1__CutEraResponse *response = NULL;
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele__v1__cut_era_request__init(&request);
    STELE_TRY(own(log, &name, err));
    request.log = (char *)name.data;
    STELE_TRY(call(client, "/stele.v1.Log/CutEra", &request.base, timeout_ms, &reply, err));
    response = stele__v1__cut_era_response__unpack(NULL, reply.size, reply.data);
    STELE_TRY(response == NULL ? no_reply("answer to an era cut", err) : STELE_OK);
    *ret_era = response->era;
cleanup:
    if (response != NULL) {
        stele__v1__cut_era_response__free_unpacked(response, NULL);
    }
    stele_buf_done(&name);
    stele_buf_done(&reply);
    return st;
}
