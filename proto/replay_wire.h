/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/replay_wire.h: ReplayResponse of log.proto, written and read without generated code. Layer:
 * proto. Pure. What is read borrows the message.
 */
#ifndef STELE_PROTO_REPLAY_WIRE_H
#define STELE_PROTO_REPLAY_WIRE_H

#include "storage/replay.h"

/* A message: first once, then its entries one by one; each appends. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_replay_response_begin(uint64_t first, stele_buf *out,
                                                        stele_err *err);
STELE_MUST_USE stele_status stele_replay_response_put(stele_buf *out,
                                                      const struct stele_audit_entry *entry,
                                                      stele_err *err);

/* A message being read. */
struct stele_replay_response {
    uint64_t first;
    stele_view left; /* of the message: entries not read yet, and members that are not known */
};
/* Errors: INVALID: it is no such message. */
STELE_MUST_USE stele_status stele_replay_response_read(stele_view message,
                                                       struct stele_replay_response *ret,
                                                       stele_err *err);
/* The next entry; a ksalt that is missing is 0. Errors: END, INVALID. */
STELE_MUST_USE stele_status stele_replay_response_next(struct stele_replay_response *response,
                                                       struct stele_audit_entry *ret,
                                                       stele_err *err);

#endif
