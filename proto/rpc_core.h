/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_core.h: what the server and the client share of gRPC core: its lifetime, what it says
 * when something fails, and its byte buffers as contiguous bytes. Layer: proto, and only for
 * rpc_*.c.
 */
#ifndef STELE_PROTO_RPC_CORE_H
#define STELE_PROTO_RPC_CORE_H

#include "proto/rpc_server.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>

/* Counted: every start needs its stop. stop waits until core's own threads are gone if it is the
 * last; it must not run on a completion-queue thread. */
void stele_rpc_core_start(void);
void stele_rpc_core_stop(void);

/* Core reports the reason of some failures only to its log. Between begin and end, what it logs on
 * this thread is kept; end returns the text ("" if nothing), valid until the next begin on this
 * thread. Otherwise core's log is silent, because libraries do not print; GRPC_VERBOSITY brings it
 * back. */
void stele_rpc_log_begin(void);
const char *stele_rpc_log_end(void);

/* What core logs as an error otherwise is told to `report`, a few times a second: why a TLS
 * handshake failed is said nowhere else, least of all to the client. NULL ends it, after a call
 * under way. One of a process. report must not call core. */
void stele_rpc_log_report(stele_rpc_report_fn report, void *ctx);
/* Tells it something of our own, as seldom. */
void stele_rpc_report(const char *text);

/* When so much time from now will have passed; at most a year, which is never. */
gpr_timespec stele_rpc_core_in_us(uint64_t us);
/* Starts operations of a call; `tag` comes out of its completion queue when they are done. Core
 * refuses only what breaks its rules (two sends at once): a bug here, not a condition. */
void stele_rpc_core_batch(grpc_call *call, const grpc_op *ops, size_t n, void *tag);

/* Reads a received buffer to its end and appends it to `out`, decompressed if the sender compressed
 * it. Core's own decompression is off, since it expands a message before anyone looks at its size.
 * Errors: LIMIT: more than bytes_max; INVALID: the compressed bytes are broken; NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_buffer_append(grpc_byte_buffer *buffer, uint32_t bytes_max,
                                                    stele_buf *out, stele_err *err);
/* A buffer that holds a copy of `bytes`. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_buffer_copy(stele_view bytes, grpc_byte_buffer **ret,
                                                  stele_err *err);

/* Destroys *buffer, if there is one, and sets it to NULL. */
void stele_rpc_buffer_drop(grpc_byte_buffer **buffer);

/* Takes `buffer`, also on failure. One uncompressed slice is borrowed as it lies there, without a
 * copy. Errors: as stele_rpc_buffer_append. */
struct stele_rpc_message;
STELE_MUST_USE stele_status stele_rpc_message_of(grpc_byte_buffer *buffer, uint32_t bytes_max,
                                                 struct stele_rpc_message **ret, stele_err *err);

#endif
