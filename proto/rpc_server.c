/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_server.c: the server as a whole: checking its options, starting core and its queues,
 * and the way down. What a peer can make the server hold is bounded here, number by number.
 */
#include "proto/rpc_server.h"

#include "proto/descriptors.h"
#include "proto/rpc_accept.h"
#include "proto/rpc_call.h"
#include "proto/rpc_core.h"
#include "proto/rpc_health.h"
#include "proto/rpc_reflection.h"
#include "proto/rpc_undelivered.h"
#include "storage/thread.h"

#include <assert.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    OWN_METHODS = STELE_RPC_HEALTH_METHODS + STELE_RPC_REFLECTION_METHODS,
    METHODS_MAX = 64, /* ten services of six methods; each costs waiting calls per queue */
    THREADS_MAX = 64,
    /* Open calls of all connections. One holds some 10 kB in core, so 4,096 are about 40 MB. */
    CALLS_MAX = 4096,
    STREAMS_PER_CONNECTION = 100, /* if the options do not say */
    /* What core may hold for all connections before it ends calls, whose ever they are. What one
     * client alone could fill it with is bounded below it: rpc_undelivered.h. */
    CORE_MEMORY_BYTES = 512 * 1024 * 1024,
    /* Calls of one read from a socket that find a request waiting; the others are put aside in
     * core, and each taken up again by itself. */
    ARMED_UNARY = 16,
    HEADER_BYTES_MAX = 16 * 1024,
    HANDSHAKE_MS = 10 * 1000, /* TLS included; a peer that only connects is gone after it */
    IDLE_CONNECTION_MS = 5 * 60 * 1000, /* no call for so long: the connection is closed politely */
    PING_AFTER_MS = 60 * 1000,          /* a silent peer is asked whether it lives */
    PING_TIMEOUT_MS = 20 * 1000,
    FAREWELL_MS = 2 * 1000, /* at the end, for clients to say that they have read everything */
    PING_FROM_CLIENT_MIN_MS = 5 * 1000, /* clients that ping more often are misconfigured */
};

struct stele_rpc_server {
    grpc_server *core;
    grpc_completion_queue *stop_cq;
    struct stele_rpc_slot slots[METHODS_MAX + OWN_METHODS + 1]; /* the last: unknown methods */
    size_t n_slots;
    stele_view names[METHODS_MAX + OWN_METHODS]; /* of services, each once */
    size_t n_names;
    struct stele_rpc_queue queues[THREADS_MAX];
    uint32_t n_queues;
    struct stele_rpc_live live;
    struct stele_rpc_health *health;
    struct stele_rpc_reflection *reflection;
    uint32_t drain_ms;
    uint16_t port;
    pthread_mutex_t drain_lock; /* one drain at a time, and only once */
    bool drained;
    bool reports; /* core's errors go to the options' report */
    bool looks;   /* at what clients send that is in no message */
};

/* ---- options ---- */

static bool is_loopback(const char *listen) {
    static const char *const forms[] = {"127.0.0.1:", "localhost:", "[::1]:", "unix:"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strncmp(listen, forms[i], strlen(forms[i])) == 0) {
            return true;
        }
    }
    return false;
}

static stele_status check_pem(const char *pem, const char *label, const char *what,
                              stele_err *err) {
    if (pem == NULL || strstr(pem, label) == NULL) {
        return STELE_FAIL(
            err, INVALID,
            "the %s is not PEM with '%s': give the file's contents, or ask for insecure "
            "on loopback",
            what, label);
    }
    return STELE_OK;
}

static stele_status check_options(const struct stele_rpc_server_options *options, stele_err *err) {
    stele_status st = STELE_OK;
    if (options->listen == NULL || strchr(options->listen, ':') == NULL) {
        return STELE_FAIL(err, INVALID,
                          "listen address '%s': write host:port, such as 127.0.0.1:7443",
                          options->listen == NULL ? "" : options->listen);
    }
    if (options->n_threads > THREADS_MAX || options->n_methods > METHODS_MAX) {
        return STELE_FAIL(err, INVALID, "%u threads and %zu methods: at most %d and %d",
                          options->n_threads, options->n_methods, THREADS_MAX, METHODS_MAX);
    }
    if (options->message_bytes_max == 0 || options->message_bytes_max > INT32_MAX) {
        return STELE_FAIL(err, INVALID, "message_bytes_max is %u: 1 to %d",
                          options->message_bytes_max, INT32_MAX);
    }
    for (size_t i = 0; i < options->n_methods; i++) {
        const struct stele_rpc_method *method = &options->methods[i];
        const char *slash = method->path == NULL ? NULL : strrchr(method->path, '/');
        if (slash == NULL || method->path[0] != '/' || slash == method->path ||
            method->on_message == NULL ||
            (method->kind == STELE_RPC_BIDI && method->on_half_close == NULL)) {
            return STELE_FAIL(err, BUG,
                              "method %zu (%s) has no path of two parts or lacks a callback", i,
                              method->path == NULL ? "" : method->path);
        }
    }
    if (options->insecure) {
        return is_loopback(options->listen)
                   ? STELE_OK
                   : STELE_FAIL(err, INVALID,
                                "listen address '%s' without TLS: only loopback may be insecure",
                                options->listen);
    }
    STELE_TRY(
        check_pem(options->certificate_pem, "-----BEGIN CERTIFICATE-----", "certificate", err));
    STELE_TRY(check_pem(options->private_key_pem, "PRIVATE KEY-----", "private key", err));
    STELE_TRY(check_pem(options->client_ca_pem, "-----BEGIN CERTIFICATE-----", "client CA", err));
cleanup:
    return st;
}

/* ---- the method table ---- */

static void add_name(struct stele_rpc_server *server, const char *path) {
    const char *slash = strrchr(path, '/');
    stele_view name = stele_view_of(path + 1, (size_t)(slash - path - 1));
    for (size_t i = 0; i < server->n_names; i++) {
        if (stele_view_equal(server->names[i], name)) {
            return;
        }
    }
    server->names[server->n_names++] = name;
}

static void add_slot(struct stele_rpc_server *server, const struct stele_rpc_method *method,
                     bool ends_at_drain, bool always) {
    server->slots[server->n_slots++] = (struct stele_rpc_slot){
        .method = *method, .ends_at_drain = ends_at_drain, .always = always};
}

static stele_status make_slots(struct stele_rpc_server *server,
                               const struct stele_rpc_server_options *options, stele_err *err) {
    static const struct stele_rpc_method unknown = {.path = NULL, .kind = STELE_RPC_UNARY};
    struct stele_rpc_method own[OWN_METHODS];
    stele_status st = STELE_OK;
    for (size_t i = 0; i < options->n_methods; i++) {
        add_slot(server, &options->methods[i], false, false);
        add_name(server, options->methods[i].path);
    }
    stele_rpc_health_methods(NULL, own);
    stele_rpc_reflection_methods(NULL, own + STELE_RPC_HEALTH_METHODS);
    for (size_t i = 0; i < OWN_METHODS; i++) {
        add_name(server, own[i].path);
    }
    STELE_TRY(stele_rpc_health_new(server->names, server->n_names, &server->health, err));
    STELE_TRY(stele_rpc_reflection_new(stele_descriptor_set(), server->names, server->n_names,
                                       &server->reflection, err));
    stele_rpc_health_methods(server->health, own);
    stele_rpc_reflection_methods(server->reflection, own + STELE_RPC_HEALTH_METHODS);
    for (size_t i = 0; i < OWN_METHODS; i++) {
        /* A load balancer must get its answer from a full server too. */
        add_slot(server, &own[i], own[i].kind != STELE_RPC_UNARY, own[i].kind == STELE_RPC_UNARY);
    }
    add_slot(server, &unknown, false, false);
cleanup:
    return st;
}

/* ---- start ---- */

static grpc_arg integer_arg(const char *name, int value) {
    grpc_arg arg = {.type = GRPC_ARG_INTEGER};
    memcpy(&arg.key, &name, sizeof name); /* core's field is not const, core's use of it is */
    arg.value.integer = value;
    return arg;
}

static grpc_server *create_core(const struct stele_rpc_server_options *options) {
    uint32_t streams = options->streams_per_connection_max;
    grpc_resource_quota *quota = grpc_resource_quota_create("stele-rpc");
    grpc_resource_quota_resize(quota, CORE_MEMORY_BYTES);
    grpc_arg args[] = {
        /* Two servers on one port would share its connections silently. */
        integer_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
        integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)options->message_bytes_max),
        integer_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                    (int)(streams == 0 || streams > INT32_MAX ? STREAMS_PER_CONNECTION : streams)),
        integer_arg(GRPC_ARG_MAX_METADATA_SIZE, HEADER_BYTES_MAX),
        integer_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_MS),
        integer_arg(GRPC_ARG_MAX_CONNECTION_IDLE_MS, IDLE_CONNECTION_MS),
        integer_arg(GRPC_ARG_KEEPALIVE_TIME_MS, PING_AFTER_MS),
        integer_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, PING_TIMEOUT_MS),
        integer_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        integer_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_FROM_CLIENT_MIN_MS),
        integer_arg(GRPC_ARG_ENABLE_CHANNELZ, 0), /* counts that nobody can ask for */
        /* Core would expand a message of any size; rpc_core.c stops at the limit. */
        integer_arg(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        integer_arg(GRPC_ARG_RESOURCE_QUOTA, 0),
    };
    enum { N = sizeof args / sizeof args[0] };
    args[N - 1].type = GRPC_ARG_POINTER;
    args[N - 1].value.pointer.p = quota;
    args[N - 1].value.pointer.vtable = grpc_resource_quota_arg_vtable();
    grpc_channel_args channel_args = {N, args};
    grpc_server *core = grpc_server_create(&channel_args, NULL);
    grpc_resource_quota_unref(quota);
    return core;
}

static grpc_server_credentials *credentials_of(const struct stele_rpc_server_options *options) {
    if (options->insecure) {
        return grpc_insecure_server_credentials_create();
    }
    grpc_ssl_pem_key_cert_pair pair = {options->private_key_pem, options->certificate_pem};
    /* Core's own minimum is TLS 1.2, which its server credentials cannot lower; a test holds it. */
    return grpc_ssl_server_credentials_create_ex(
        options->client_ca_pem, &pair, 1,
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, NULL);
}

static stele_status bind_port(struct stele_rpc_server *server,
                              const struct stele_rpc_server_options *options, stele_err *err) {
    stele_rpc_log_begin();
    grpc_server_credentials *credentials = credentials_of(options);
    int port = 0;
    if (credentials != NULL) {
        port = grpc_server_add_http2_port(server->core, options->listen, credentials);
        grpc_server_credentials_release(credentials);
    }
    const char *log = stele_rpc_log_end();
    if (port > 0) {
        server->port = (uint16_t)port;
        return STELE_OK;
    }
    if (strstr(log, "Address already in use") != NULL) {
        return STELE_FAIL(err, IO,
                          "listen address '%s' is in use: stop the other process or choose "
                          "another port",
                          options->listen);
    }
    if (strstr(log, "Permission denied") != NULL) {
        return STELE_FAIL(err, IO,
                          "listen address '%s': permission denied; ports below 1024 need "
                          "CAP_NET_BIND_SERVICE",
                          options->listen);
    }
    return STELE_FAIL(err, INVALID,
                      "cannot listen on '%s'; check address, certificate and key: %.120s",
                      options->listen, log);
}

/* What is there already; when that is nothing, the services hear of it before the thread waits. */
static grpc_event next_event(struct stele_rpc_queue *queue) {
    grpc_event event =
        grpc_completion_queue_next(queue->cq, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type != GRPC_QUEUE_TIMEOUT) {
        return event;
    }
    for (size_t i = 0; i < queue->n_slots; i++) {
        const struct stele_rpc_method *method = &queue->slots[i].method;
        if (method->on_quiet != NULL) {
            method->on_quiet(method->service);
        }
    }
    return grpc_completion_queue_next(queue->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

static void queue_run(struct stele_rpc_queue *queue) {
    stele_rpc_queue__enter(queue);
    for (;;) {
        grpc_event event = next_event(queue);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return;
        }
        if (event.type == GRPC_OP_COMPLETE) {
            stele_rpc_call_event(queue, event.tag, event.success != 0);
        }
    }
}

static void *queue_thread(void *arg) {
    struct stele_rpc_queue *queue = arg;
    while (sem_wait(&queue->armed) != 0) {
    }
    queue_run(queue);
    return NULL;
}

/* The thread first: without it nobody would take back what is armed. */
static stele_status start_queue(struct stele_rpc_server *server, struct stele_rpc_queue *queue,
                                stele_err *err) {
    stele_status st = STELE_OK;
    int error = stele_thread_start(&queue->thread, "rpc", queue_thread, queue);
    if (error != 0) {
        return STELE_FAIL_ERRNO(err, error, "no thread for a completion queue");
    }
    queue->started = true;
    for (size_t slot = 0; slot < server->n_slots; slot++) {
        bool unary = server->slots[slot].method.kind == STELE_RPC_UNARY;
        for (int armed = 0; armed < (unary ? ARMED_UNARY : 1); armed++) {
            STELE_TRY(stele_rpc_call_arm(queue, &server->slots[slot], err));
        }
    }
cleanup:
    (void)sem_post(&queue->armed);
    return st;
}

static stele_status register_methods(struct stele_rpc_server *server, stele_err *err) {
    for (size_t i = 0; i < server->n_slots; i++) {
        struct stele_rpc_slot *slot = &server->slots[i];
        if (slot->method.path == NULL) {
            continue;
        }
        /* No payload with the call: a message is read only when the call was admitted. */
        slot->registered = grpc_server_register_method(server->core, slot->method.path, NULL,
                                                       GRPC_SRM_PAYLOAD_NONE, 0);
        if (slot->registered == NULL) {
            return STELE_FAIL(err, BUG, "method %s is there twice", slot->method.path);
        }
    }
    return STELE_OK;
}

static void make_queues(struct stele_rpc_server *server,
                        const struct stele_rpc_server_options *options) {
    /* Every queue, the one for stopping too, must be known to core before it starts. */
    server->stop_cq = grpc_completion_queue_create_for_pluck(NULL);
    grpc_server_register_completion_queue(server->core, server->stop_cq, NULL);
    server->n_queues = options->n_threads == 0 ? 1 : options->n_threads;
    for (uint32_t i = 0; i < server->n_queues; i++) {
        server->queues[i] =
            (struct stele_rpc_queue){.server = server->core,
                                     .cq = grpc_completion_queue_create_for_next(NULL),
                                     .live = &server->live,
                                     .slots = server->slots,
                                     .n_slots = server->n_slots,
                                     .message_bytes_max = options->message_bytes_max,
                                     .tag_answers = {.event = STELE_RPC_EVENT_ANSWERS}};
        (void)pthread_mutex_init(&server->queues[i].lock, NULL);
        (void)sem_init(&server->queues[i].armed, 0, 0);
        grpc_server_register_completion_queue(server->core, server->queues[i].cq, NULL);
    }
}

static stele_status start_core(struct stele_rpc_server *server,
                               const struct stele_rpc_server_options *options, stele_err *err) {
    stele_status st = STELE_OK;
    sigset_t all;
    sigset_t before;
    /* Signals are the main thread's: threads made here, core's too, inherit a closed mask. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    stele_rpc_core_start();
    if (options->report != NULL) {
        stele_rpc_log_report(options->report, options->report_ctx);
        server->reports = true;
    }
    server->core = create_core(options);
    make_queues(server, options);
    if (options->connections_max > 0) {
        stele_rpc_accept_bound(options->connections_max);
    }
    STELE_TRY(stele_rpc_undelivered_start(err));
    server->looks = true;
    STELE_TRY(register_methods(server, err));
    STELE_TRY(bind_port(server, options, err));
    grpc_server_start(server->core);
    for (uint32_t i = 0; i < server->n_queues; i++) {
        STELE_TRY(start_queue(server, &server->queues[i], err));
    }
cleanup:
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return st;
}

stele_status stele_rpc_server_start(const struct stele_rpc_server_options *options,
                                    struct stele_rpc_server **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_rpc_server *server = NULL;
    STELE_TRY(check_options(options, err));
    server = stele_alloc(1, sizeof *server);
    if (server == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the server");
    }
    (void)pthread_mutex_init(&server->live.lock, NULL);
    (void)pthread_cond_init(&server->live.fewer, NULL);
    (void)pthread_mutex_init(&server->drain_lock, NULL);
    server->live.n_max = CALLS_MAX;
    if (options->calls_per_client_max > 0) {
        STELE_TRY(stele_rpc_shares_new(options->calls_per_client_max, &server->live.shares, err));
    }
    server->drain_ms = options->drain_ms;
    STELE_TRY(make_slots(server, options, err));
    STELE_TRY(start_core(server, options, err));
    *ret = server;
    server = NULL;
cleanup:
    stele_rpc_server_free(server);
    return st;
}

uint16_t stele_rpc_server_port(const struct stele_rpc_server *server) {
    return server->port;
}

void stele_rpc_server_set_serving(struct stele_rpc_server *server, bool serving) {
    (void)pthread_mutex_lock(&server->live.lock);
    bool draining = server->live.draining;
    (void)pthread_mutex_unlock(&server->live.lock);
    stele_rpc_health_set(server->health, serving && !draining);
}

/* ---- the way down ---- */

/* Running calls first, and the farewell after them: core's graceful GOAWAY ends with a ping that
 * the client answers when it has read everything before it. With GOAWAY first, core would close
 * each connection together with its last stream; bytes of the client that nobody read any more turn
 * that close into a reset, and a reset throws away the end of an answer that is still on its way.
 */
static void stop_core(struct stele_rpc_server *server) {
    void *tag = server;
    bool finished = stele_rpc_live_wait_running(&server->live, server->drain_ms);
    grpc_server_shutdown_and_notify(server->core, server->stop_cq, tag);
    gpr_timespec deadline = stele_rpc_core_in_us(finished ? (uint64_t)FAREWELL_MS * 1000 : 0);
    grpc_event event = grpc_completion_queue_pluck(server->stop_cq, tag, deadline, NULL);
    if (event.type != GRPC_OP_COMPLETE) {
        grpc_server_cancel_all_calls(server->core); /* and closes the connections under them */
        event = grpc_completion_queue_pluck(server->stop_cq, tag,
                                            gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    }
    assert(event.type == GRPC_OP_COMPLETE);
    /* Only after the last call is over may a queue be shut down: until then services send. */
    stele_rpc_live_wait(&server->live);
    for (uint32_t i = 0; i < server->n_queues; i++) {
        struct stele_rpc_queue *queue = &server->queues[i];
        grpc_completion_queue_shutdown(queue->cq);
        if (queue->started) {
            (void)pthread_join(queue->thread, NULL);
        } else {
            queue_run(queue); /* nothing is armed there: it only says that it is shut down */
        }
        grpc_completion_queue_destroy(queue->cq);
        (void)pthread_mutex_destroy(&queue->lock);
        (void)sem_destroy(&queue->armed);
    }
    grpc_completion_queue_shutdown(server->stop_cq);
    grpc_completion_queue_destroy(server->stop_cq);
    grpc_server_destroy(server->core);
    server->core = NULL;
    if (server->looks) {
        stele_rpc_undelivered_stop();
    }
    if (server->reports) {
        stele_rpc_log_report(NULL, NULL);
    }
    stele_rpc_core_stop();
}

void stele_rpc_server_drain(struct stele_rpc_server *server) {
    (void)pthread_mutex_lock(&server->drain_lock);
    if (!server->drained) {
        server->drained = true;
        if (server->health != NULL) {
            stele_rpc_health_set(server->health, false);
        }
        stele_rpc_live_drain(&server->live);
        if (server->core != NULL) {
            stop_core(server);
        }
    }
    (void)pthread_mutex_unlock(&server->drain_lock);
}

void stele_rpc_server_free(struct stele_rpc_server *server) {
    if (server == NULL) {
        return;
    }
    stele_rpc_server_drain(server);
    stele_rpc_health_free(server->health);
    stele_rpc_reflection_free(server->reflection);
    stele_rpc_shares_free(server->live.shares);
    (void)pthread_mutex_destroy(&server->drain_lock);
    (void)pthread_cond_destroy(&server->live.fewer);
    (void)pthread_mutex_destroy(&server->live.lock);
    stele_free(server);
}
