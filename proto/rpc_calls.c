/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_calls.c: one completion queue for all calls. */
#include "proto/rpc_calls.h"

#include "proto/rpc_burst.h"
#include "proto/rpc_core.h"
#include "proto/rpc_exchange.h"
#include "storage/monotonic.h"

#include <assert.h>
#include <grpc/support/time.h>
#include <stdatomic.h>

struct one {
    grpc_call *core; /* NULL: free */
    struct stele_rpc_exchange exchange;
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

stele_status stele_rpc_calls_start(struct stele_rpc_calls *calls, uint32_t number,
                                   stele_view request, uint32_t timeout_ms, stele_err *err) {
    assert(number < calls->n_max && calls->one[number].core == NULL && timeout_ms > 0);
    struct one *one = &calls->one[number];
    const struct way *way = &calls->ways[number % calls->n_ways];
    stele_status st = stele_rpc_exchange_init(&one->exchange, request, err);
    if (st != STELE_OK) {
        return st;
    }
    one->core = grpc_channel_create_registered_call(
        way->client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, calls->cq, way->method,
        stele_rpc_core_in_us((uint64_t)timeout_ms * 1000), NULL);
    (void)atomic_fetch_add(&calls->n_started, 1);
    stele_rpc_exchange_start(&one->exchange, one->core, one);
    return STELE_OK;
}

/* Gives back what is core's of a call that ended. */
static void release(struct stele_rpc_calls *calls, struct one *one) {
    grpc_call_unref(one->core);
    one->core = NULL;
    stele_rpc_exchange_done(&one->exchange);
    (void)atomic_fetch_sub(&calls->n_started, 1);
}

bool stele_rpc_calls_next(struct stele_rpc_calls *calls, uint64_t until_us,
                          struct stele_rpc_answer *ret, stele_err *err) {
    gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (until_us != UINT64_MAX) {
        uint64_t now_us = stele_monotonic_us();
        until = stele_rpc_core_in_us(until_us > now_us ? until_us - now_us : 0);
    }
    /* While one call after the other is over, what is started for each goes out together. */
    grpc_event event =
        grpc_completion_queue_next(calls->cq, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type == GRPC_QUEUE_TIMEOUT) {
        stele_rpc_burst_end();
        event = grpc_completion_queue_next(calls->cq, until, NULL);
    }
    if (event.type != GRPC_OP_COMPLETE) {
        return false;
    }
    stele_rpc_burst_begin();
    struct one *one = event.tag;
    uint32_t number = (uint32_t)(one - calls->one);
    *ret = (struct stele_rpc_answer){.number = number};
    stele_buf_clear(&one->reply);
    ret->st = stele_rpc_exchange_take(&one->exchange, calls->ways[number % calls->n_ways].client,
                                      &one->reply, &ret->result, err);
    ret->reply = stele_view_buf(&one->reply);
    release(calls, one);
    return true;
}

void stele_rpc_calls_free(struct stele_rpc_calls *calls) {
    if (calls == NULL) {
        return;
    }
    stele_rpc_burst_end();
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
