/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/rpc_echo.c: the echo service, its server and its certificates. */
#include "tests/support/rpc_echo.h"

#include "storage/cursor.h"
#include "tests/support/cmocka.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void on_unary(void *service, struct stele_rpc_call *call,
                     struct stele_rpc_message *message) {
    struct rpc_echo_counts *counts = service;
    atomic_fetch_add(&counts->messages, 1);
    stele_rpc_finish_ok(call, stele_rpc_message_view(message));
    stele_rpc_message_release(message);
}

struct job {
    struct stele_rpc_call *call;
    struct stele_rpc_message *message;
};

static void *run_job(void *arg) {
    struct job *job = arg;
    stele_rpc_finish_ok(job->call, stele_rpc_message_view(job->message));
    stele_rpc_message_release(job->message);
    stele_rpc_call_unref(job->call);
    stele_free(job);
    return NULL;
}

static void on_thread(void *service, struct stele_rpc_call *call,
                      struct stele_rpc_message *message) {
    struct rpc_echo_counts *counts = service;
    struct job *job = stele_alloc(1, sizeof *job);
    pthread_t thread;
    atomic_fetch_add(&counts->messages, 1);
    stele_rpc_call_ref(call);
    *job = (struct job){call, message};
    if (pthread_create(&thread, NULL, run_job, job) != 0) {
        abort();
    }
    (void)pthread_detach(thread);
}

static void on_keep_quiet(void *service, struct stele_rpc_call *call,
                          struct stele_rpc_message *message) {
    struct rpc_echo_counts *counts = service;
    stele_rpc_message_release(message);
    stele_rpc_call_ref(call);
    assert_true(counts->n_quiet < RPC_ECHO_QUIET_MAX);
    counts->quiet[counts->n_quiet++] = call;
}

static void on_quiet(void *service) {
    struct rpc_echo_counts *counts = service;
    if (counts->n_quiet > atomic_load(&counts->quiet_most)) {
        atomic_store(&counts->quiet_most, (unsigned)counts->n_quiet);
    }
    while (counts->n_quiet > 0) {
        struct stele_rpc_call *call = counts->quiet[--counts->n_quiet];
        stele_rpc_finish_ok(call, stele_view_of(NULL, 0));
        stele_rpc_call_unref(call);
    }
    unsigned n_done = atomic_load(&counts->done);
    if (atomic_load(&counts->hold) && n_done > 0 && n_done == atomic_load(&counts->messages)) {
        atomic_fetch_add(&counts->held, 1);
        while (atomic_load(&counts->hold)) {
            (void)nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
        }
    }
}

static void on_who(void *service, struct stele_rpc_call *call, struct stele_rpc_message *message) {
    const struct stele_rpc_peer *peer = stele_rpc_call_peer(call);
    stele_buf text = STELE_BUF_EMPTY;
    (void)service;
    assert_ok(
        stele_buf_printf(&text, NULL, "%d %s", peer->authenticated ? 1 : 0, peer->common_name));
    for (size_t i = 0; i < peer->n_sans; i++) {
        assert_ok(stele_buf_printf(&text, NULL, " %s", peer->san[i]));
    }
    stele_rpc_finish_ok(call, stele_view_buf(&text));
    stele_buf_done(&text);
    stele_rpc_message_release(message);
}

static void on_refuse(void *service, struct stele_rpc_call *call,
                      struct stele_rpc_message *message) {
    stele_err err;
    (void)service;
    (void)STELE_FAIL(&err, BUSY, "the queue is full (\xff, \xc3\xa9): send the batch again");
    stele_rpc_finish_error(call, &err, 1500);
    stele_rpc_message_release(message);
}

static void on_hold(void *service, struct stele_rpc_call *call, struct stele_rpc_message *message) {
    struct rpc_echo_counts *counts = service;
    (void)call;
    stele_rpc_message_release(message);
    atomic_fetch_add(&counts->messages, 1);
}

static void on_keep(void *service, struct stele_rpc_call *call, struct stele_rpc_message *message) {
    struct rpc_echo_counts *counts = service;
    stele_rpc_message_release(message);
    stele_rpc_call_ref(call);
    atomic_store(&counts->kept_call, call);
    atomic_fetch_add(&counts->kept, 1);
}

static void on_keep_sent(void *service, struct stele_rpc_call *call) {
    struct rpc_echo_counts *counts = service;
    (void)call;
    atomic_fetch_add(&counts->sent, 1);
}

struct stele_rpc_call *rpc_echo_kept(struct rpc_echo *echo) {
    rpc_echo_wait(&echo->counts.kept, 1);
    return atomic_exchange(&echo->counts.kept_call, NULL);
}

static void on_done(void *service, struct stele_rpc_call *call) {
    struct rpc_echo_counts *counts = service;
    if (stele_rpc_call_cancelled(call)) {
        atomic_fetch_add(&counts->cancelled, 1);
    }
    atomic_fetch_add(&counts->done, 1);
}

struct counting {
    uint32_t left;
    uint32_t size;
};

static void count_next(struct stele_rpc_call *call) {
    struct counting *counting = stele_rpc_call_state(call);
    if (counting->left == 0) {
        stele_rpc_finish_ok(call, (stele_view){NULL, 0});
        return;
    }
    counting->left--;
    uint8_t *bytes = stele_alloc(1, counting->size);
    if (stele_rpc_send(call, stele_view_of(bytes, counting->size), NULL) == STELE_BUSY) {
        abort(); /* one at a time, and it said the last one left */
    }
    stele_free(bytes);
}

static void on_count(void *service, struct stele_rpc_call *call,
                     struct stele_rpc_message *message) {
    (void)service;
    struct counting *counting = stele_alloc(1, sizeof *counting);
    stele_view view = stele_rpc_message_view(message);
    if (view.size == 8) {
        counting->left = stele_get_u32(view.data);
        counting->size = stele_get_u32(view.data + 4);
    }
    stele_rpc_call_set_state(call, counting);
    stele_rpc_message_release(message);
    count_next(call);
}

static void on_count_sent(void *service, struct stele_rpc_call *call) {
    struct rpc_echo_counts *counts = service;
    atomic_fetch_add(&counts->sent, 1);
    count_next(call);
}

static void on_count_done(void *service, struct stele_rpc_call *call) {
    stele_free(stele_rpc_call_state(call));
    on_done(service, call);
}

static void on_chat(void *service, struct stele_rpc_call *call, struct stele_rpc_message *message) {
    struct rpc_echo_counts *counts = service;
    atomic_fetch_add(&counts->messages, 1);
    (void)!stele_rpc_send(call, stele_rpc_message_view(message), NULL);
    stele_rpc_message_release(message);
}

static void on_chat_sent(void *service, struct stele_rpc_call *call) {
    struct rpc_echo_counts *counts = service;
    atomic_fetch_add(&counts->sent, 1);
    stele_rpc_receive_next(call);
}

static void on_chat_half_close(void *service, struct stele_rpc_call *call) {
    struct rpc_echo_counts *counts = service;
    atomic_fetch_add(&counts->half_closes, 1);
    stele_rpc_finish_ok(call, (stele_view){NULL, 0});
}

char *rpc_echo_file(const struct rpc_echo *echo, const char *name, const char *suffix) {
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s%s", echo->folder, name, suffix);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s is missing", path);
    }
    char *text = stele_alloc(1, 16384);
    size_t size = fread(text, 1, 16383, file);
    assert_true(size > 0);
    (void)fclose(file);
    return text;
}

static void make_certificates(struct rpc_echo *echo) {
    char command[256];
    (void)snprintf(echo->folder, sizeof echo->folder, "/tmp/stele-rpc-XXXXXX");
    assert_non_null(mkdtemp(echo->folder));
    (void)snprintf(command, sizeof command, "sh '%s/tests/support/certificates.sh' '%s'",
                   STELE_SOURCE_DIR, echo->folder);
    assert_int_equal(system(command), 0);
}

void rpc_echo_start(struct rpc_echo *echo, bool tls, uint32_t n_threads, uint32_t drain_ms) {
    memset(echo, 0, sizeof *echo);
    echo->tls = tls;
    struct rpc_echo_counts *counts = &echo->counts;
    const struct stele_rpc_method methods[] = {
        {"/test.Echo/Unary", STELE_RPC_UNARY, counts, on_unary, NULL, NULL, on_done, NULL},
        {"/test.Echo/Thread", STELE_RPC_UNARY, counts, on_thread, NULL, NULL, on_done, NULL},
        {"/test.Echo/Quiet", STELE_RPC_UNARY, counts, on_keep_quiet, NULL, NULL, on_done, on_quiet},
        {"/test.Echo/Who", STELE_RPC_UNARY, counts, on_who, NULL, NULL, NULL, NULL},
        {"/test.Echo/Refuse", STELE_RPC_UNARY, counts, on_refuse, NULL, NULL, on_done, NULL},
        {"/test.Echo/Hold", STELE_RPC_UNARY, counts, on_hold, NULL, NULL, on_done, NULL},
        {"/test.Echo/Wait", STELE_RPC_SERVER_STREAM, counts, on_hold, NULL, NULL, on_done, NULL},
        {"/test.Echo/Count", STELE_RPC_SERVER_STREAM, counts, on_count, NULL, on_count_sent,
         on_count_done, NULL},
        {"/test.Echo/Keep", STELE_RPC_SERVER_STREAM, counts, on_keep, NULL, on_keep_sent, on_done,
         NULL},
        {"/test.Echo/Chat", STELE_RPC_BIDI, counts, on_chat, on_chat_half_close, on_chat_sent,
         on_done, NULL},
    };
    const char *host = echo->host == NULL ? "127.0.0.1" : echo->host;
    char listen[64];
    (void)snprintf(listen, sizeof listen, "%s:0", host);
    struct stele_rpc_server_options options = {
        .listen = listen,
        .insecure = !tls,
        .n_threads = n_threads,
        .message_bytes_max = RPC_ECHO_MESSAGE_BYTES_MAX,
        .streams_per_connection_max = 100,
        .drain_ms = drain_ms,
        .methods = methods,
        .n_methods = sizeof methods / sizeof methods[0],
    };
    char *certificate = NULL, *key = NULL, *ca = NULL;
    if (tls) {
        make_certificates(echo);
        options.certificate_pem = certificate = rpc_echo_file(echo, "server", ".pem");
        options.private_key_pem = key = rpc_echo_file(echo, "server", ".key");
        options.client_ca_pem = ca = rpc_echo_file(echo, "ca", ".pem");
    }
    stele_err err = {.text = ""};
    if (stele_rpc_server_start(&options, &echo->server, &err) != STELE_OK) {
        fail_msg("server: %s", err.text);
    }
    stele_free(certificate);
    stele_free(key);
    stele_free(ca);
    (void)snprintf(echo->target, sizeof echo->target, "%s:%" PRIu16, host,
                   stele_rpc_server_port(echo->server));
}

void rpc_echo_stop(struct rpc_echo *echo) {
    stele_rpc_server_free(echo->server);
    if (echo->tls) {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -r '%s'", echo->folder);
        assert_int_equal(system(command), 0);
    }
}

struct stele_rpc_client *rpc_echo_client(struct rpc_echo *echo, const char *who) {
    struct stele_rpc_client_options options = {.target = echo->target,
                                               .insecure = !echo->tls,
                                               .message_bytes_max = 1u << 20,
                                               .own_connection = true};
    char *ca = NULL, *certificate = NULL, *key = NULL;
    if (echo->tls) {
        options.server_ca_pem = ca = rpc_echo_file(echo, "ca", ".pem");
        if (who != NULL) {
            options.certificate_pem = certificate = rpc_echo_file(echo, who, ".pem");
            options.private_key_pem = key = rpc_echo_file(echo, who, ".key");
        }
    }
    struct stele_rpc_client *client = NULL;
    stele_err err = {.text = ""};
    if (stele_rpc_client_open(&options, &client, &err) != STELE_OK) {
        fail_msg("client: %s", err.text);
    }
    stele_free(ca);
    stele_free(certificate);
    stele_free(key);
    return client;
}

void rpc_echo_wait(atomic_uint *count, unsigned n) {
    for (int i = 0; i < 1000; i++) {
        if (atomic_load(count) >= n) {
            return;
        }
        (void)nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);
    }
    fail_msg("waited ten seconds for a count of %u, it is %u", n, atomic_load(count));
}
