/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_call.h: the life of one call: rpc_loop.c brings it what core reports, rpc_call.c what
 * services ask for. Layer: proto, and only for these two and rpc_server.c; services use
 * rpc_server.h.
 *
 * What holds it together:
 *  - every operation given to core is counted in `pending` under the call's lock before it starts;
 * the call is over when RECV_CLOSE has completed and pending is 0, and only then is the grpc_call
 * let go;
 *  - after RECV_CLOSE nothing new is started, so pending can only fall;
 *  - events of a call arrive on one completion-queue thread; only that thread runs callbacks;
 *  - unary answers of other threads are started by that thread too, many at a time: started where
 * they are decided, each would fight for the connection's lock inside core, and wake somebody;
 *  - locks are taken in the order live set, then call; never while a callback runs.
 */
#ifndef STELE_PROTO_RPC_CALL_H
#define STELE_PROTO_RPC_CALL_H

#include "proto/rpc_peer.h"
#include "proto/rpc_server.h"
#include "proto/rpc_share.h"

#include <grpc/grpc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

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
    pthread_cond_t fewer; /* n_running is 0, perhaps n too; or n_armed fell */
    struct stele_rpc_call *first;
    uint32_t n;                      /* all in the list, refused ones too */
    uint32_t n_running;              /* those a drain waits for */
    uint32_t n_armed;                /* requests core has, and calls of it not taken up yet */
    uint32_t n_max;                  /* of n_running: a call that is refused takes nobody's place */
    struct stele_rpc_shares *shares; /* of the same, by client; NULL: not counted */
    bool draining;
};

typedef enum stele_rpc_event {
    STELE_RPC_EVENT_NEW,      /* core gave us a call */
    STELE_RPC_EVENT_CLOSED,   /* RECV_CLOSE: status sent, cancelled, deadline, connection lost */
    STELE_RPC_EVENT_RECEIVED, /* a message, or the client's half-close */
    STELE_RPC_EVENT_SENT,     /* a message left */
    STELE_RPC_EVENT_ENDED,    /* the status left */
    STELE_RPC_EVENT_ANSWERS,  /* of no call: the queue has answers to send */
} stele_rpc_event;

/* What core hands back: which operation of which call. */
struct stele_rpc_tag {
    stele_rpc_event event;
    struct stele_rpc_call *call;
};

/* Where calls come from: one completion queue and its thread. */
struct stele_rpc_queue {
    grpc_server *server;
    grpc_completion_queue *cq;
    struct stele_rpc_live *live;
    const struct stele_rpc_slot *slots; /* the server's */
    size_t n_slots;
    uint32_t message_bytes_max;
    pthread_t thread;
    bool started;
    sem_t armed; /* posted when the thread may begin */
    struct stele_rpc_tag tag_answers;
    pthread_mutex_t lock;                          /* after a call's */
    struct stele_rpc_call *answers, **answers_end; /* locked; to be started, in this order */
};

struct stele_rpc_call {
    struct stele_rpc_queue *queue;
    const struct stele_rpc_slot *slot;
    atomic_uint refs;
    struct stele_rpc_tag tag_new, tag_closed, tag_received, tag_sent, tag_ended;
    gpr_timespec deadline;
    grpc_metadata_array request_metadata;
    grpc_call_details details; /* unknown methods only */
    struct stele_rpc_identity identity;
    struct stele_rpc_call *previous, *next; /* in the live set, under its lock */
    bool running;                           /* the same: counted in n_running */
    struct stele_rpc_share *share;          /* of live.shares; queue thread only */
    int cancelled_word;                     /* core writes it before STELE_RPC_EVENT_CLOSED */
    bool seen;                              /* a callback ran; queue thread only */
    grpc_byte_buffer *in;                   /* core writes it before STELE_RPC_EVENT_RECEIVED */

    pthread_mutex_t lock;
    grpc_call *core;   /* locked; NULL once the call is over */
    uint32_t pending;  /* locked; operations core has not given back */
    void *state;       /* locked; the service's */
    bool headers_sent; /* locked */
    bool receiving;    /* locked */
    bool sending;      /* locked */
    bool broken;       /* locked; a send failed */
    bool closed;       /* locked; STELE_RPC_EVENT_CLOSED came */
    bool cancelled;    /* locked */
    bool ending;       /* locked; the service finished */
    bool end_started;  /* locked */
    bool half_closed;  /* locked */
    bool begun;        /* locked; a message or the half-close is the service's */

    grpc_byte_buffer *out; /* locked; of the send under way */
    /* The outcome, locked; written once, by whoever set `ending`. */
    grpc_byte_buffer *reply;
    uint32_t code;
    grpc_slice text;
    grpc_slice rich; /* empty: no trailer */
    grpc_metadata trailer;
    struct stele_rpc_call *next_answer; /* in the queue's list, under its lock */
};

/* Operations to start: put together under the call's lock, where they are counted in `pending` so
 * that the call cannot end meanwhile; started after it, because core may write to the socket right
 * there. */
struct stele_rpc_batch {
    grpc_call *core;
    grpc_op ops[3];
    size_t n; /* 0: nothing to start */
    struct stele_rpc_tag *tag;
};

/* rpc_loop.c: */

/* Asks core for the next call of `slot`. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_call_arm(struct stele_rpc_queue *queue,
                                               const struct stele_rpc_slot *slot, stele_err *err);
/* Handles one event of the queue: `tag` as core returned it. */
void stele_rpc_call_event(struct stele_rpc_queue *queue, void *tag, bool ok);
/* Refuses new calls from now on, except health checks, and ends those whose slot says ends_at_drain
 * and those that no service knows of yet: a stream opened and never used would hold the drain to
 * its end. */
void stele_rpc_live_drain(struct stele_rpc_live *live);
/* Waits until no running call is left; false if that takes longer than timeout_ms. */
bool stele_rpc_live_wait_running(struct stele_rpc_live *live, uint32_t timeout_ms);
/* Until no call at all is left and, core being shut down, none can come: it gives back what was
 * armed, but behind calls that it had taken from a connection, which may be gone meanwhile. */
void stele_rpc_live_wait(struct stele_rpc_live *live);

/* rpc_call.c: */

/* With one reference, the loop's own, until the call is over. NULL on exhaustion. */
struct stele_rpc_call *stele_rpc_call__new(struct stele_rpc_queue *queue,
                                           const struct stele_rpc_slot *slot);
/* Gives back all that is core's; plain memory and the identity stay until the last reference goes.
 */
void stele_rpc_call__drop_core(struct stele_rpc_call *call);
/* Locked: counts a batch. */
void stele_rpc_call__begin(struct stele_rpc_call *call, struct stele_rpc_batch *batch,
                           struct stele_rpc_tag *tag);
/* Locked: puts the end operation together, if the service finished and nothing is in its way. */
void stele_rpc_call__end(struct stele_rpc_call *call, struct stele_rpc_batch *batch);
/* Not locked. Does nothing with an empty batch. */
void stele_rpc_batch__start(const struct stele_rpc_batch *batch);
/* The calling thread is the queue's, from now on. */
void stele_rpc_queue__enter(const struct stele_rpc_queue *queue);
/* On the queue's thread: takes all answers that wait, the first of them `next_answer` first. Each
 * is counted in its call's `pending`. */
struct stele_rpc_call *stele_rpc_queue__take_answers(struct stele_rpc_queue *queue);
/* stele_rpc_finish_error with a code of its own; refuse_idle does it only to a call that has not
 * begun. */
void stele_rpc_call_refuse_idle(struct stele_rpc_call *call, uint32_t code, const char *text);
void stele_rpc_call_refuse(struct stele_rpc_call *call, uint32_t code, const char *text,
                           uint32_t retry_after_ms);

#endif
