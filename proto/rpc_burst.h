/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_burst.h: what a thread starts in one go leaves each connection in few segments. Layer:
 * proto, and only for rpc_loop.c and rpc_calls.c. Threads: a burst is the thread's own.
 *
 * Core sends what a call starts before it returns from starting it: sixty answers of one commit are
 * sixty segments, each on its way through the kernel alone, and each may wake the client. So core's
 * sendmsg is ours: in a burst the kernel hears that more follows (MSG_MORE, send(2)), and at its
 * end each connection's rest is pushed. Nothing is kept back in this process: what another thread
 * sends on the connection pushes the rest as well, and so do 200 ms.
 */
#ifndef STELE_PROTO_RPC_BURST_H
#define STELE_PROTO_RPC_BURST_H

/* From now on; in a burst it changes nothing. */
void stele_rpc_burst_begin(void);
/* Must follow without waiting for anything. Outside of a burst it does nothing. */
void stele_rpc_burst_end(void);

#endif
