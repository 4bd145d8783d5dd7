/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/call.c: who may touch a call when. The call's lock decides between the transport's thread
 * (taken, done) and the worker that has its step; it is taken before the workers' own lock.
 */
#include "query/call.h"

#include <assert.h>
#include <stddef.h>

#include "query/limits.h"

static _Atomic uint32_t *counter_of(struct stele_call *call) {
    return call->kind->is_search ? &call->query->n_searches : &call->query->n_unary;
}

static struct stele_rpc_shares *shares_of(const struct stele_call *call) {
    return call->kind->is_search ? call->query->searches_of : call->query->unary_of;
}

static stele_status admit(struct stele_call *call, struct stele_rpc_call *rpc, stele_err *err) {
    bool search = call->kind->is_search;
    const char *what = search ? "searches" : "queries";
    uint32_t max = search ? call->query->config.searches_max : STELE_QUERY_UNARY_MAX;
    uint32_t n = atomic_fetch_add(counter_of(call), 1);
    if (n >= max) {
        atomic_fetch_sub(counter_of(call), 1);
        return STELE_FAIL(err, BUSY, "%u %s are open, which is the limit; try again later", max,
                          what);
    }
    call->share = stele_rpc_share_take(shares_of(call), stele_rpc_call_peer(rpc), 1);
    if (call->share == NULL) {
        atomic_fetch_sub(counter_of(call), 1);
        return STELE_FAIL(
            err, BUSY,
            "this certificate has %u %s open, which is the limit of one client; read or "
            "cancel some, or try again later",
            search ? STELE_QUERY_SEARCHES_CLIENT_MAX : STELE_QUERY_UNARY_CLIENT_MAX, what);
    }
    return STELE_OK;
}

/* Nobody else knows of the call any more. */
static void release(struct stele_call *call) {
    struct stele_rpc_call *rpc = call->rpc;
    call->kind->end(call);
    stele_rpc_share_give(shares_of(call), call->share, 1);
    atomic_fetch_sub(counter_of(call), 1);
    stele_rpc_message_release(call->message);
    (void)pthread_mutex_destroy(&call->lock);
    stele_free(call);
    stele_rpc_call_unref(rpc);
}

static void fail(struct stele_rpc_call *rpc, const stele_err *err) {
    stele_rpc_finish_error(rpc, err, err->status == STELE_BUSY ? STELE_QUERY_RETRY_AFTER_MS : 0);
}

/* ------------------------------------------------------------------ on a worker */

/* There is room for one job of every admitted call (stele_query_new), so this cannot fail. */
static void queue(struct stele_call *call) {
    call->state = STELE_CALL_STATE_QUEUED;
    stele_status st = stele_workers_submit(call->query->workers, &call->job, NULL);
    assert(st == STELE_OK);
    (void)st;
}

static bool start(struct stele_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    bool go = !call->over;
    call->state = go ? STELE_CALL_STATE_RUNNING : STELE_CALL_STATE_FINISHED;
    (void)pthread_mutex_unlock(&call->lock);
    return go;
}

/* True if the call is the worker's to release. */
static bool settle(struct stele_call *call, stele_call_step step) {
    (void)pthread_mutex_lock(&call->lock);
    bool over = call->over;
    if (step == STELE_CALL_FINISHED || over) {
        call->state = STELE_CALL_STATE_FINISHED;
    } else if (step == STELE_CALL_SENT && !call->taken) {
        call->state = STELE_CALL_STATE_WAITING;
    } else {
        call->taken = false;
        queue(call);
    }
    (void)pthread_mutex_unlock(&call->lock);
    return over;
}

static void run(struct stele_job *job) {
    struct stele_call *call =
        (struct stele_call *)(void *)((uint8_t *)job - offsetof(struct stele_call, job));
    if (!start(call)) {
        release(call);
        return;
    }
    stele_call_step step = STELE_CALL_FINISHED;
    stele_err err = {0};
    stele_status st = call->kind->step(call, &step, &err);
    if (st != STELE_OK) {
        err.status = st;
        fail(call->rpc, &err);
        step = STELE_CALL_FINISHED;
    }
    if (settle(call, step)) {
        release(call);
    }
}

/* ------------------------------------------------------------------ on the transport's thread */

static stele_status open_call(struct stele_call_binding *binding, struct stele_rpc_call *rpc,
                              struct stele_rpc_message *message, struct stele_call **ret,
                              stele_err *err) {
    struct stele_call *call = stele_alloc(1, binding->kind->bytes);
    if (call == NULL) {
        stele_rpc_message_release(message);
        return STELE_FAIL(err, NO_MEMORY, "no memory for another query");
    }
    call->query = binding->query;
    call->kind = binding->kind;
    call->message = message;
    call->request = stele_rpc_message_view(message);
    call->job.run = run;
    stele_status st = admit(call, rpc, err);
    if (st != STELE_OK) {
        stele_rpc_message_release(message);
        stele_free(call);
        return st;
    }
    (void)pthread_mutex_init(&call->lock, NULL);
    stele_rpc_call_ref(rpc);
    call->rpc = rpc;
    if (call->request.size > STELE_QUERY_REQUEST_BYTES_MAX) {
        st = STELE_FAIL(err, LIMIT, "the request has %zu bytes, over %u", call->request.size,
                        STELE_QUERY_REQUEST_BYTES_MAX);
    } else {
        st = call->kind->begin(call, err);
    }
    if (st != STELE_OK) {
        release(call);
        return st;
    }
    *ret = call;
    return STELE_OK;
}

static void on_message(void *service, struct stele_rpc_call *rpc,
                       struct stele_rpc_message *message) {
    struct stele_call *call = NULL;
    stele_err err = {0};
    stele_status st = open_call(service, rpc, message, &call, &err);
    if (st != STELE_OK) {
        err.status = st;
        fail(rpc, &err);
        return;
    }
    stele_rpc_call_set_state(rpc, call);
    (void)pthread_mutex_lock(&call->lock);
    queue(call);
    (void)pthread_mutex_unlock(&call->lock);
}

static void on_sent(void *service, struct stele_rpc_call *rpc) {
    struct stele_call *call = stele_rpc_call_state(rpc);
    (void)service;
    if (call == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&call->lock);
    if (call->state == STELE_CALL_STATE_WAITING) {
        queue(call);
    } else if (call->state == STELE_CALL_STATE_RUNNING) {
        call->taken = true;
    }
    (void)pthread_mutex_unlock(&call->lock);
}

static void on_done(void *service, struct stele_rpc_call *rpc) {
    struct stele_call *call = stele_rpc_call_state(rpc);
    (void)service;
    if (call == NULL) {
        return;
    }
    stele_rpc_call_set_state(rpc, NULL);
    atomic_store(&call->stop, true);
    (void)pthread_mutex_lock(&call->lock);
    call->over = true;
    bool mine = call->state == STELE_CALL_STATE_WAITING ||
                call->state == STELE_CALL_STATE_FINISHED ||
                stele_workers_withdraw(call->query->workers, &call->job);
    (void)pthread_mutex_unlock(&call->lock);
    if (mine) {
        release(call);
    }
}

struct stele_rpc_method stele_call_method(struct stele_call_binding *binding) {
    return (struct stele_rpc_method){
        .path = binding->kind->path,
        .kind = binding->kind->rpc,
        .service = binding,
        .on_message = on_message,
        .on_sent = on_sent,
        .on_done = on_done,
    };
}

/* ------------------------------------------------------------------ for handlers */

stele_status stele_call_store(const struct stele_call *call, stele_view region,
                              struct stele_store **ret, stele_err *err) {
    const struct stele_query_config *config = &call->query->config;
    for (size_t i = 0; i < config->n_stores; i++) {
        if (stele_view_is(region, stele_store_region(config->stores[i]))) {
            *ret = config->stores[i];
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, NOT_FOUND,
                      "region '%.*s' is not served here; ask the server that keeps it",
                      (int)region.size, (const char *)region.data);
}

stele_status stele_call_gate(const struct stele_call *call, stele_verb verb, stele_view region,
                             stele_view tenant, const struct stele_question *question,
                             stele_err *err) {
    struct stele_read read = {
        .method = call->kind->path,
        .peer = stele_rpc_call_peer(call->rpc),
        .verb = verb,
        .region = region,
        .tenant = tenant,
        .question = question,
    };
    return stele_gate_pass(call->query->config.access, &read, err);
}
