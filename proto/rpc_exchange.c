/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_exchange.c: the six operations of a unary call. */
#include "proto/rpc_exchange.h"

#include "proto/rpc_core.h"

#include <assert.h>

stele_status stele_rpc_exchange_init(struct stele_rpc_exchange *exchange, stele_view request,
                                     stele_err *err) {
    *exchange = (struct stele_rpc_exchange){.out = NULL};
    stele_status st = stele_rpc_buffer_copy(request, &exchange->out, err);
    if (st == STELE_OK) {
        grpc_metadata_array_init(&exchange->headers);
        stele_rpc_ending_init(&exchange->ending);
    }
    return st;
}

void stele_rpc_exchange_start(struct stele_rpc_exchange *exchange, grpc_call *call, void *tag) {
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE}};
    ops[1].data.send_message.send_message = exchange->out;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &exchange->headers;
    ops[4].data.recv_message.recv_message = &exchange->in;
    ops[5] = stele_rpc_ending_op(&exchange->ending);
    atomic_store(&exchange->started, true);
    stele_rpc_core_batch(call, ops, sizeof ops / sizeof ops[0], tag);
}

stele_status stele_rpc_exchange_take(const struct stele_rpc_exchange *exchange,
                                     const struct stele_rpc_client *client, stele_buf *reply,
                                     struct stele_rpc_result *ret_result, stele_err *err) {
    /* Core hands it from thread to thread behind its own locks, which no race detector sees. */
    assert(atomic_load(&exchange->started));
    stele_status st = stele_rpc_ending_outcome(client, &exchange->ending, ret_result, err);
    if (st != STELE_OK) {
        return st;
    }
    if (exchange->in == NULL) {
        return STELE_FAIL(err, UNSUPPORTED, "%s answered without a message", client->target);
    }
    return stele_rpc_buffer_append(exchange->in, client->message_bytes_max, reply, err);
}

void stele_rpc_exchange_done(struct stele_rpc_exchange *exchange) {
    stele_rpc_ending_done(&exchange->ending);
    grpc_metadata_array_destroy(&exchange->headers);
    stele_rpc_buffer_drop(&exchange->in);
    stele_rpc_buffer_drop(&exchange->out);
}
