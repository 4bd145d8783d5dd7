/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/replay_client.h: Log.Replay as a stream that is read a message at a time. Layer: proto. One
 * thread; another may cancel the stream.
 */
#ifndef STELE_PROTO_REPLAY_CLIENT_H
#define STELE_PROTO_REPLAY_CLIENT_H

#include "proto/replay_wire.h"
#include "proto/rpc_client.h"

struct stele_replay_stream;
/* Entries [first, first + count) of the log "<region>/<log>"; count 0: all that follow. Errors:
 * CLOSED (it cannot be reached), NO_MEMORY; a refusal shows when the first message is read. */
STELE_MUST_USE stele_status stele_replay_stream_open(struct stele_rpc_client *client,
                                                     const char *log, uint64_t first,
                                                     uint64_t count,
                                                     struct stele_replay_stream **ret,
                                                     stele_err *err);
/* The entries of the next message, 1 or more, which follow those before; they borrow the stream
 * until the next call. Errors: END, INVALID (entries that were not asked for), the server's. */
STELE_MUST_USE stele_status stele_replay_stream_next(struct stele_replay_stream *stream,
                                                     const struct stele_audit_entry **ret,
                                                     size_t *ret_n, stele_err *err);
/* The newest INDEX entry, and what the server says of its segments, appended: see
 * stele_replay_index. Errors: NOT_FOUND (there is none, or no such log), UNSUPPORTED (an older
 * server), the server's. */
STELE_MUST_USE stele_status stele_client_newest_index(struct stele_rpc_client *client,
                                                      const char *log, uint64_t *ret_seq,
                                                      stele_buf *descriptors, stele_err *err);
/* For cancelling it; borrowed. */
struct stele_rpc_stream *stele_replay_stream_rpc(const struct stele_replay_stream *stream);
void stele_replay_stream_close(struct stele_replay_stream *stream);

#endif
