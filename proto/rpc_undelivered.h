/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_undelivered.h: bounds what clients may send that is in no whole message yet. Layer:
 * proto, and only for rpc_*.c.
 *
 * gRPC core takes in a message of any length and looks at the length when it is whole. Its memory
 * quota is no answer: over it, core ends the calls of any connection, and a client that did nothing
 * wrong is told RESOURCE_EXHAUSTED. So the kernel's count of what came over each connection is held
 * against the messages that came out of core, ten to fifty times a second. While all connections
 * together are over the bound, the one with the most is closed, and only it.
 *
 * What is not in messages, such as headers and frames, is estimated upwards: a client that takes
 * trouble to be underestimated meets core's quota, as before. Of the process; any thread.
 */
#ifndef STELE_PROTO_RPC_UNDELIVERED_H
#define STELE_PROTO_RPC_UNDELIVERED_H

#include "storage/status.h"

#include <stdint.h>

struct sockaddr;

/* Starts and stops the looking; counted, since a process may have several servers.
 * Errors: as errno has it (no thread). */
STELE_MUST_USE stele_status stele_rpc_undelivered_start(stele_err *err);
void stele_rpc_undelivered_stop(void);

/* A connection that was just accepted. Others than TCP are not looked at. */
void stele_rpc_undelivered_connected(int connection, const struct sockaddr *address);
/* Of the connection from `peer`, as core writes it ("ipv4:192.0.2.1:4711"), `bytes` came out of
 * core or will not come any more. */
void stele_rpc_undelivered_took(const char *peer, uint64_t bytes);

#endif
