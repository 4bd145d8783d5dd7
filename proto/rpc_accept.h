/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_accept.h: how many connections there may be. Layer: proto, and only for rpc_server.c.
 *
 * gRPC core has no bound of its own, and its listener is deaf for ever once accept4 has failed for
 * want of a file descriptor. So core's accept4 is ours: a connection that would leave too few
 * descriptors for the stores is closed at once, and the want of one is no failure.
 */
#ifndef STELE_PROTO_RPC_ACCEPT_H
#define STELE_PROTO_RPC_ACCEPT_H

#include <stdint.h>

/* Of the process, from now on; as far as its limit of open files allows. */
void stele_rpc_accept_bound(uint32_t connections_max);

#endif
