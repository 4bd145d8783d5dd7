/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_ending.h: how a call of the client's ended, for those who make calls. Layer: proto, and
 * only for rpc_client.c and rpc_calls.c. Threads: one at a time for one ending.
 */
#ifndef STELE_PROTO_RPC_ENDING_H
#define STELE_PROTO_RPC_ENDING_H

#include "proto/rpc_client.h"

#include <grpc/grpc.h>

struct stele_rpc_client {
    grpc_channel *channel;
    char *target;
    uint32_t message_bytes_max;
};

/* The answer's end, as core writes it; valid once the status operation completed. */
struct stele_rpc_ending {
    grpc_metadata_array trailers;
    grpc_status_code code;
    grpc_slice text;
    const char *debug;
};

void stele_rpc_ending_init(struct stele_rpc_ending *ending);
void stele_rpc_ending_done(struct stele_rpc_ending *ending);
/* The operation that fills it in. */
grpc_op stele_rpc_ending_op(struct stele_rpc_ending *ending);
/* The outcome of a call as a status. The server's own words are passed on as they are. Errors: as
 * rpc_client.h has them. */
STELE_MUST_USE stele_status stele_rpc_ending_outcome(const struct stele_rpc_client *client,
                                                     const struct stele_rpc_ending *ending,
                                                     struct stele_rpc_result *ret_result,
                                                     stele_err *err);

#endif
