/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_calls.c: one completion queue for all calls. A call is one batch, so that it gives one
 * event: its end.
 */
#include "proto/rpc_calls.h"

#include "proto/rpc_core.h"
#include "proto/rpc_ending.h"
#include "storage/monotonic.h"

#include <assert.h>
#include <grpc/support/time.h>
#include <stdatomic.h>

struct one {
    grpc_call *core; /* NULL: free */
    grpc_byte_buffer *out, *in;
    grpc_metadata_array headers;
    struct stele_rpc_ending ending;
    stele_buf reply;
};

struct way {
    struct stele_rpc_client *client;
    void *method; /* core's, as long as the channel is there */
};

struct stele_rpc_calls {
    grpc_completion_queue *cq;
    struct way *ways;
    size_t n_ways;
    uint32_t n_max;
    atomic_uint n_started; /* under way */
    struct one one[];
};

stele_status stele_rpc_calls_new(struct stele_rpc_client *const *clients, size_t n_clients,
                                 const char *path, uint32_t n_max, struct stele_rpc_calls **ret,
                                 stele_err *err) {
    if (n_clients == 0 || n_max == 0 || n_max > STELE_RPC_CALLS_MAX) {
        return STELE_FAIL(err, INVALID, "%u calls at a time over %zu clients; 1 to %u over 1",
                          n_max, n_clients, STELE_RPC_CALLS_MAX);
    }
    struct stele_rpc_calls *calls = stele_alloc(1, sizeof *calls + n_max * sizeof calls->one[0]);
    struct way *ways = stele_alloc(n_clients, sizeof *ways);
    if (calls == NULL || ways == NULL) {
        stele_free(calls);
        stele_free(ways);
        return STELE_FAIL(err, NO_MEMORY, "no memory for %u calls", n_max);
    }
    for (size_t i = 0; i < n_clients; i++) {
        ways[i].client = clients[i];
        ways[i].method = grpc_channel_register_call(clients[i]->channel, path, NULL, NULL);
    }
    stele_rpc_core_start();
    calls->cq = grpc_completion_queue_create_for_next(NULL);
    calls->ways = ways;
    calls->n_ways = n_clients;
    calls->n_max = n_max;
    *ret = calls;
    return STELE_OK;
}

static gpr_timespec in_us(uint64_t us) {
    const uint64_t us_max = UINT64_C(1000000) * 86400 * 365; /* far, and no overflow */
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_micros((int64_t)(us < us_max ? us : us_max), GPR_TIMESPAN));
}

stele_status stele_rpc_calls_start(struct stele_rpc_calls *calls, uint32_t number,
                                   stele_view request, uint32_t timeout_ms, stele_err *err) {
    assert(number < calls->n_max && calls->one[number].core == NULL && timeout_ms > 0);
    struct one *one = &calls->one[number];
    const struct way *way = &calls->ways[number % calls->n_ways];
    stele_status st = stele_rpc_buffer_copy(request, &one->out, err);
    if (st != STELE_OK) {
        return st;
    }
    grpc_metadata_array_init(&one->headers);
    stele_rpc_ending_init(&one->ending);
    one->core = grpc_channel_create_registered_call(way->client->channel, NULL,
                                                    GRPC_PROPAGATE_DEFAULTS, calls->cq, way->method,
                                                    in_us((uint64_t)timeout_ms * 1000), NULL);
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE}};
    ops[1].data.send_message.send_message = one->out;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &one->headers;
    ops[4].data.recv_message.recv_message = &one->in;
    ops[5] = stele_rpc_ending_op(&one->ending);
    (void)atomic_fetch_add(&calls->n_started, 1);
    grpc_call_error code = grpc_call_start_batch(one->core, ops, 6, one, NULL);
    assert(code == GRPC_CALL_OK); /* anything else is a broken rule of core's, so a bug here */
    (void)code;
    return STELE_OK;
}

/* Gives back what is core's of a call that ended. */
static void release(struct stele_rpc_calls *calls, struct one *one) {
    grpc_call_unref(one->core);
    one->core = NULL;
    stele_rpc_ending_done(&one->ending);
    grpc_metadata_array_destroy(&one->headers);
    stele_rpc_buffer_drop(&one->in);
    stele_rpc_buffer_drop(&one->out);
    (void)atomic_fetch_sub(&calls->n_started, 1);
}

static stele_status judge(const struct stele_rpc_client *client, struct one *one,
                          struct stele_rpc_result *ret_result, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf_clear(&one->reply);
    STELE_TRY(stele_rpc_ending_outcome(client, &one->ending, ret_result, err));
    if (one->in == NULL) {
        return STELE_FAIL(err, UNSUPPORTED, "%s answered without a message", client->target);
    }
    STELE_TRY(stele_rpc_buffer_append(one->in, client->message_bytes_max, &one->reply, err));
cleanup:
    return st;
}

bool stele_rpc_calls_next(struct stele_rpc_calls *calls, uint64_t until_us,
                          struct stele_rpc_answer *ret, stele_err *err) {
    gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (until_us != UINT64_MAX) {
        uint64_t now_us = stele_monotonic_us();
        until = in_us(until_us > now_us ? until_us - now_us : 0);
    }
    grpc_event event = grpc_completion_queue_next(calls->cq, until, NULL);
    if (event.type != GRPC_OP_COMPLETE) {
        return false;
    }
    struct one *one = event.tag;
    uint32_t number = (uint32_t)(one - calls->one);
    *ret = (struct stele_rpc_answer){.number = number};
    ret->st = judge(calls->ways[number % calls->n_ways].client, one, &ret->result, err);
    ret->reply = stele_view_buf(&one->reply);
    release(calls, one);
    return true;
}

void stele_rpc_calls_free(struct stele_rpc_calls *calls) {
    if (calls == NULL) {
        return;
    }
    for (uint32_t i = 0; i < calls->n_max; i++) {
        if (calls->one[i].core != NULL) {
            (void)grpc_call_cancel(calls->one[i].core, NULL);
        }
    }
    while (atomic_load(&calls->n_started) > 0) {
        grpc_event event =
            grpc_completion_queue_next(calls->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        release(calls, event.tag);
    }
    grpc_completion_queue_shutdown(calls->cq);
    (void)grpc_completion_queue_next(calls->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(calls->cq);
    for (uint32_t i = 0; i < calls->n_max; i++) {
        stele_buf_done(&calls->one[i].reply);
    }
    stele_free(calls->ways);
    stele_free(calls);
    stele_rpc_core_stop();
}
