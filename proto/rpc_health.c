/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_health.c: health checking. Source: grpc/health/v1/health.proto and its specification.
 * The lock of the watchers is taken before the lock of a call, never after it.
 */
#include "proto/rpc_health.h"

#include "proto/wire.h"

#include <pthread.h>

/* HealthCheckResponse.ServingStatus; NONE_SENT is ours. */
typedef enum serving_status {
    NONE_SENT = 0,
    SERVING = 1,
    NOT_SERVING = 2,
    SERVICE_UNKNOWN = 3,
} serving_status;

struct watcher {
    struct stele_rpc_call *call; /* alive while it is in the list: on_done takes it out */
    struct watcher *previous, *next;
    bool known;
    serving_status sent;
};

struct stele_rpc_health {
    pthread_mutex_t lock;
    bool serving;          /* locked */
    struct watcher *first; /* locked, as every watcher in it */
    const stele_view *names;
    size_t n_names;
};

stele_status stele_rpc_health_new(const stele_view *names, size_t n_names,
                                  struct stele_rpc_health **ret, stele_err *err) {
    struct stele_rpc_health *health = stele_alloc(1, sizeof *health);
    if (health == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the health service");
    }
    (void)pthread_mutex_init(&health->lock, NULL);
    health->names = names;
    health->n_names = n_names;
    *ret = health;
    return STELE_OK;
}

void stele_rpc_health_free(struct stele_rpc_health *health) {
    if (health != NULL) {
        (void)pthread_mutex_destroy(&health->lock);
        stele_free(health);
    }
}

/* Reads HealthCheckRequest {1: service} and says whether this server has it. */
static stele_status request_read(const struct stele_rpc_health *health, stele_view request,
                                 stele_view *ret_name, bool *ret_known, stele_err *err) {
    struct stele_wire wire = stele_wire_of(request);
    struct stele_wire_record record = {0};
    stele_view name = {NULL, 0};
    while (!stele_wire_at_end(&wire)) {
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return STELE_FAIL(err, INVALID, "HealthCheckRequest: %s", wire.problem);
        }
        if (record.number == 1 && record.type == STELE_WIRE_BYTES) {
            name = record.bytes;
        }
    }
    bool known = name.size == 0;
    for (size_t i = 0; i < health->n_names && !known; i++) {
        known = stele_view_equal(name, health->names[i]);
    }
    *ret_name = name;
    *ret_known = known;
    return STELE_OK;
}

/* HealthCheckResponse {1: status}: two bytes, as no status is 0. */
static stele_view response_of(serving_status status, uint8_t out[STELE_AT_LEAST(2)]) {
    out[0] = 1 << 3 | STELE_WIRE_VARINT;
    out[1] = (uint8_t)status;
    return stele_view_of(out, 2);
}

static void on_check(void *service, struct stele_rpc_call *call,
                     struct stele_rpc_message *message) {
    struct stele_rpc_health *health = service;
    stele_err err;
    uint8_t bytes[2];
    stele_view name = {NULL, 0};
    bool known = false;
    stele_status st = request_read(health, stele_rpc_message_view(message), &name, &known, &err);
    if (st == STELE_OK && !known) {
        st = STELE_FAIL(&err, NOT_FOUND, "service '%.*s' is not served here; \"\" asks for all",
                        (int)(name.size > 100 ? 100 : name.size), (const char *)name.data);
    }
    if (st == STELE_OK) {
        (void)pthread_mutex_lock(&health->lock);
        serving_status status = health->serving ? SERVING : NOT_SERVING;
        (void)pthread_mutex_unlock(&health->lock);
        stele_rpc_finish_ok(call, response_of(status, bytes));
    } else {
        stele_rpc_finish_error(call, &err, 0);
    }
    stele_rpc_message_release(message);
}

/* Locked. Tells the watcher what it does not know yet. If a message is under way, on_sent comes
 * back here; if the call is over, on_done follows. */
static void watcher_tell(const struct stele_rpc_health *health, struct watcher *watcher) {
    uint8_t bytes[2];
    serving_status status = !watcher->known   ? SERVICE_UNKNOWN
                            : health->serving ? SERVING
                                              : NOT_SERVING;
    if (status != watcher->sent &&
        stele_rpc_send(watcher->call, response_of(status, bytes), NULL) == STELE_OK) {
        watcher->sent = status;
    }
}

static void on_watch(void *service, struct stele_rpc_call *call,
                     struct stele_rpc_message *message) {
    struct stele_rpc_health *health = service;
    stele_err err;
    stele_view name = {NULL, 0};
    bool known = false;
    stele_status st = request_read(health, stele_rpc_message_view(message), &name, &known, &err);
    struct watcher *watcher = st == STELE_OK ? stele_alloc(1, sizeof *watcher) : NULL;
    stele_rpc_message_release(message);
    if (st == STELE_OK && watcher == NULL) {
        st = STELE_FAIL(&err, NO_MEMORY, "no memory for a health watcher");
    }
    if (st != STELE_OK) {
        stele_rpc_finish_error(call, &err, 0);
        return;
    }
    watcher->call = call;
    watcher->known = known;
    stele_rpc_call_set_state(call, watcher);
    (void)pthread_mutex_lock(&health->lock);
    watcher->next = health->first;
    if (health->first != NULL) {
        health->first->previous = watcher;
    }
    health->first = watcher;
    watcher_tell(health, watcher);
    (void)pthread_mutex_unlock(&health->lock);
}

static void on_watch_sent(void *service, struct stele_rpc_call *call) {
    struct stele_rpc_health *health = service;
    (void)pthread_mutex_lock(&health->lock);
    watcher_tell(health, stele_rpc_call_state(call));
    (void)pthread_mutex_unlock(&health->lock);
}

static void on_watch_done(void *service, struct stele_rpc_call *call) {
    struct stele_rpc_health *health = service;
    struct watcher *watcher = stele_rpc_call_state(call);
    if (watcher == NULL) { /* refused before it became one */
        return;
    }
    (void)pthread_mutex_lock(&health->lock);
    if (watcher->previous != NULL) {
        watcher->previous->next = watcher->next;
    } else {
        health->first = watcher->next;
    }
    if (watcher->next != NULL) {
        watcher->next->previous = watcher->previous;
    }
    (void)pthread_mutex_unlock(&health->lock);
    stele_free(watcher);
}

void stele_rpc_health_methods(
    struct stele_rpc_health *health,
    struct stele_rpc_method ret[STELE_AT_LEAST(STELE_RPC_HEALTH_METHODS)]) {
    ret[0] = (struct stele_rpc_method){.path = "/grpc.health.v1.Health/Check",
                                       .kind = STELE_RPC_UNARY,
                                       .service = health,
                                       .on_message = on_check};
    ret[1] = (struct stele_rpc_method){.path = "/grpc.health.v1.Health/Watch",
                                       .kind = STELE_RPC_SERVER_STREAM,
                                       .service = health,
                                       .on_message = on_watch,
                                       .on_sent = on_watch_sent,
                                       .on_done = on_watch_done};
}

void stele_rpc_health_set(struct stele_rpc_health *health, bool serving) {
    (void)pthread_mutex_lock(&health->lock);
    health->serving = serving;
    for (struct watcher *watcher = health->first; watcher != NULL; watcher = watcher->next) {
        watcher_tell(health, watcher);
    }
    (void)pthread_mutex_unlock(&health->lock);
}
