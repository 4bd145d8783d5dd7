/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_connect.h: a connection that is being made is not taken for one that failed. Layer:
 * proto, and only for rpc_client.c.
 *
 * Core calls connect, writes a name for the socket, adds it to its epoll set, and looks at errno
 * only then (tcp_client_posix.cc of 1.51; grpc pull request 35064 mends it). What it does in
 * between may set errno: the first thread of a process that waits for another in one of core's
 * mutexes reads the processor's frequency from a file that many machines do not have. Then the call
 * fails with "No such file or directory" although the server is there. So core's connect and
 * epoll_ctl are ours: after the second errno is again what the first left.
 */
#ifndef STELE_PROTO_RPC_CONNECT_H
#define STELE_PROTO_RPC_CONNECT_H

/* For the whole process, from now on. Any thread. */
void stele_rpc_connect_mend(void);

#endif
