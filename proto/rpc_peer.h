/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_peer.h: who is at the other end of a call, as core verified it. Layer: proto, and only
 * for rpc_call.c; services read struct stele_rpc_peer.
 *
 * Names come only from a certificate that the handshake checked against the client CA, and a name
 * that holds a NUL byte is no name: it would read as a shorter, perhaps privileged one.
 */
#ifndef STELE_PROTO_RPC_PEER_H
#define STELE_PROTO_RPC_PEER_H

#include "proto/rpc_server.h"

#include <grpc/grpc_security.h>

struct stele_rpc_identity {
    struct stele_rpc_peer peer; /* borrows from the two below */
    grpc_auth_context *context;
    char *address;
};

void stele_rpc_identity_of(grpc_call *call, struct stele_rpc_identity *ret);
void stele_rpc_identity_done(struct stele_rpc_identity *identity);

#endif
