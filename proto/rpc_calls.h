/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_calls.h: many unary calls of one method under way at once, without a thread for each:
 * they share a completion queue. Layer: proto. For who makes load.
 *
 * Calls have numbers, 0 to n_max - 1, each free or under way; a number keeps to one of the clients.
 * Threads: one that takes answers; calls are started by it or by one other. A number is given from
 * one to the other by the caller. What the first starts between two answers may leave only when it
 * asks for the next one, or with stele_rpc_calls_free.
 */
#ifndef STELE_PROTO_RPC_CALLS_H
#define STELE_PROTO_RPC_CALLS_H

#include "proto/rpc_client.h"

#define STELE_RPC_CALLS_MAX 4096u /* as many as a server has open */

struct stele_rpc_calls;

/* The clients are borrowed and must stay until the calls are freed; the array need not. n_max: 1 to
 * STELE_RPC_CALLS_MAX. Errors: INVALID, NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_calls_new(struct stele_rpc_client *const *clients,
                                                size_t n_clients, const char *path, uint32_t n_max,
                                                struct stele_rpc_calls **ret, stele_err *err);
/* Cancels what is under way and waits for its end. NULL is fine. */
void stele_rpc_calls_free(struct stele_rpc_calls *calls);

/* Starts a free number's call. Copies `request`. timeout_ms > 0. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_calls_start(struct stele_rpc_calls *calls, uint32_t number,
                                                  stele_view request, uint32_t timeout_ms,
                                                  stele_err *err);

struct stele_rpc_answer {
    uint32_t number;  /* which is free now */
    stele_status st;  /* as of stele_rpc_unary */
    stele_view reply; /* valid until the number is started again */
    struct stele_rpc_result result;
};
/* The next call that ended. `err` is of answer.st. False: none did by until_us, of
 * storage/monotonic.h; that is looked at a millisecond late, as core has it. UINT64_MAX: waits for
 * ever. */
bool stele_rpc_calls_next(struct stele_rpc_calls *calls, uint64_t until_us,
                          struct stele_rpc_answer *ret, stele_err *err);

#endif
