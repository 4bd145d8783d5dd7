/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_locks.h: core's mutexes do not look for deadlocks. Layer: proto, and only for
 * rpc_core.c.
 *
 * They are absl's, which keeps a graph of who waits for whom under a lock of its own, at every lock
 * taken, where it was built without NDEBUG; Debian's was. The graph is for those who write core:
 * here it cost 2 of 100 of a unary call's processor time in itself, and more in waiting.
 */
#ifndef STELE_PROTO_RPC_LOCKS_H
#define STELE_PROTO_RPC_LOCKS_H

/* For the whole process, as absl has it when it is built for use. Any thread, before core starts.
 */
void stele_rpc_locks_untraced(void);

#endif
