/* SPDX-License-Identifier: Apache-2.0 */
/* proto/log_client.h: the Log service as blocking calls, for the tools. Layer: proto. Logs are
 * named
 * "<region>/<log>". Errors: the server's status with its own message; CLOSED if it cannot be
 * reached. */
#ifndef STELE_PROTO_LOG_CLIENT_H
#define STELE_PROTO_LOG_CLIENT_H

#include "proto/log_wire.h"
#include "proto/rpc_client.h"

/* Appends the signed note. */
STELE_MUST_USE stele_status stele_client_checkpoint(struct stele_rpc_client *client,
                                                    const char *log, uint64_t min_size,
                                                    uint32_t timeout_ms, stele_buf *note,
                                                    stele_err *err);
/* From old_size to the newest checkpoint, whose note is appended to `note`; path: 32 n bytes
 * appended. */
STELE_MUST_USE stele_status stele_client_consistency(struct stele_rpc_client *client,
                                                     const char *log, uint64_t old_size,
                                                     uint32_t timeout_ms, stele_buf *path,
                                                     stele_buf *note, stele_err *err);
/* Appends the tile's bytes. */
STELE_MUST_USE stele_status stele_client_tile(struct stele_rpc_client *client, const char *log,
                                              const char *path, uint32_t timeout_ms,
                                              stele_buf *tile, stele_err *err);
/* The status of each log of a region, or of all with an empty name; its views borrow until fn
 * returns. */
typedef stele_status (*stele_log_status_fn)(void *ctx, const struct stele_log_status *status,
                                            stele_err *err);
STELE_MUST_USE stele_status stele_client_status(struct stele_rpc_client *client, const char *region,
                                                uint32_t timeout_ms, stele_log_status_fn fn,
                                                void *ctx, stele_err *err);
/* Waits for an INDEX entry that covers what was acknowledged before, at most wait_ms. Errors: BUSY.
 */
STELE_MUST_USE stele_status stele_client_seal(struct stele_rpc_client *client, const char *log,
                                              uint32_t wait_ms, struct stele_sealed *ret,
                                              stele_err *err);
/* Begins an era with a new tag key. */
STELE_MUST_USE stele_status stele_client_cut_era(struct stele_rpc_client *client, const char *log,
                                                 uint32_t timeout_ms, uint32_t *ret_era,
                                                 stele_err *err);
/* Entries [first, first + count) in order. */
typedef stele_status (*stele_entry_fn)(void *ctx, uint64_t seq, stele_view entry, stele_err *err);
STELE_MUST_USE stele_status stele_client_entries(struct stele_rpc_client *client, const char *log,
                                                 uint64_t first, uint64_t count, stele_entry_fn fn,
                                                 void *ctx, stele_err *err);

#endif
