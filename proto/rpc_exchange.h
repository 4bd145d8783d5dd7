/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_exchange.h: one request and its one reply, as one batch of core's, so that a call gives
 * one event: its end. Layer: proto, and only for rpc_client.c and rpc_calls.c. Threads: one at a
 * time for one exchange.
 */
#ifndef STELE_PROTO_RPC_EXCHANGE_H
#define STELE_PROTO_RPC_EXCHANGE_H

#include "proto/rpc_ending.h"

#include <stdatomic.h>

struct stele_rpc_exchange {
    grpc_byte_buffer *out, *in;
    grpc_metadata_array headers;
    struct stele_rpc_ending ending;
    atomic_bool started; /* all above is the taker's from here on */
};

/* Errors: NO_MEMORY; there is nothing to be done with it then. */
STELE_MUST_USE stele_status stele_rpc_exchange_init(struct stele_rpc_exchange *exchange,
                                                    stele_view request, stele_err *err);
void stele_rpc_exchange_start(struct stele_rpc_exchange *exchange, grpc_call *call, void *tag);
/* Once it has ended: the reply is appended. Errors: as rpc_client.h has them for a call. */
STELE_MUST_USE stele_status stele_rpc_exchange_take(const struct stele_rpc_exchange *exchange,
                                                    const struct stele_rpc_client *client,
                                                    stele_buf *reply,
                                                    struct stele_rpc_result *ret_result,
                                                    stele_err *err);
void stele_rpc_exchange_done(struct stele_rpc_exchange *exchange);

#endif
