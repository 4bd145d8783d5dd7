/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_call.h: the life of one call, between the loop (rpc_server.c) and the services. Layer:
 * proto, and only for rpc_server.c and rpc_call.c; services use rpc_server.h.
 *
 * What holds it together:
 *  - every operation given to core is counted in `pending` under the call's lock before it starts; the
 *    call is over when RECV_CLOSE has completed and pending is 0, and only then is the grpc_call let go;
 *  - after RECV_CLOSE nothing new is started, so pending can only fall;
 *  - events of a call arrive on one completion-queue thread; only that thread runs callbacks;
 *  - locks are taken in the order live set, then call; never while a callback runs.
 */
#ifndef STELE_PROTO_RPC_CALL_H
#define STELE_PROTO_RPC_CALL_H

#include "proto/rpc_server.h"

#include <grpc/grpc.h>
#include <pthread.h>

/* A method as the loop serves it. */
struct stele_rpc_slot {
    struct stele_rpc_method method; /* path NULL: the slot that answers unknown methods */
    void *registered;
    bool ends_at_drain; /* our own endless streams: health watchers and reflection */
    bool always;        /* answered also when the server is full */
};

/* All calls that are not over. */
struct stele_rpc_live {
    pthread_mutex_t lock;
    pthread_cond_t empty;
    struct stele_rpc_call *first;
    uint32_t n;
    uint32_t n_max;
    bool draining;
};

/* Where calls come from: one completion queue and its thread. */
struct stele_rpc_queue {
    grpc_server *server;
    grpc_completion_queue *cq;
    struct stele_rpc_live *live;
    uint32_t message_bytes_max;
    pthread_t thread;
    bool started;
};

/* Asks core for the next call of `slot`. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_call_arm(struct stele_rpc_queue *queue,
                                               const struct stele_rpc_slot *slot, stele_err *err);
/* Handles one event of the queue: `tag` as core returned it. */
void stele_rpc_call_event(void *tag, bool ok);

/* Refuses new calls from now on and ends those whose slot says ends_at_drain. */
void stele_rpc_live_drain(struct stele_rpc_live *live);
void stele_rpc_live_wait(struct stele_rpc_live *live); /* until no call is left */

/* stele_rpc_finish_error with a code of its own. */
void stele_rpc_call_refuse(struct stele_rpc_call *call, uint32_t code, const char *text,
                           uint32_t retry_after_ms);

#endif
