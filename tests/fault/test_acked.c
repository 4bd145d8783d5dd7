/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_acked.c: acknowledged implies synced, end to end: a whole server over mutual
 * TLS, its syncs watched and held back (sync_gate.h). For unary calls, a stream, and many clients
 * whose events share a sync. Built a second time with an engine that does not sync its appends:
 * there each check must say so.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/serve_rig.h"
#include "tests/fault/sync_gate.h"
#include "tests/support/cmocka.h"

#ifndef STELE_SYNCS
#define STELE_SYNCS true /* what every check must answer */
#endif
#define CLIENTS 8
#define CALLS_A_CLIENT 25
#define HELD_US 1000000
#define ROUNDS_MAX 30
#define ARRIVE_TRIES_MAX 3000 /* of 10 ms, on a machine with much else to do */

static struct serve_rig rig;

static int start_server(void **state) {
    (void)state;
    serve_rig_start(&rig, NULL);
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    serve_rig_stop(&rig);
    return 0;
}

/* One client with a connection of its own, and what became of its calls. */
struct client {
    pthread_t thread;
    unsigned number, n_calls;
    struct stele_rpc_client *rpc;
    _Atomic unsigned n_acked; /* calls answered, every event stored */
    unsigned n_unsynced;      /* of them those without a sync in between */
};

static void add_events(struct rig_call *call, unsigned client, unsigned n_call) {
    for (unsigned i = 0; i < 1 + (client + n_call) % 4; i++) {
        char id[64];
        (void)snprintf(id, sizeof id, "e-%u-%u-%u", client, n_call, i);
        rig_call_add(call,
                     &(struct rig_event){.id = id, .retention_class = n_call % 2 == 0 ? 1 : 3});
    }
}

static void *call_all(void *arg) {
    struct client *c = arg;
    for (unsigned k = 0; k < c->n_calls; k++) {
        struct rig_call *call = rig_call_new();
        add_events(call, c->number, k);
        uint64_t from_ns = sync_gate_now_ns();
        rig_call_send_ok(call, c->rpc);
        c->n_unsynced += sync_gate_wal_between(from_ns, sync_gate_now_ns()) ? 0 : 1;
        for (size_t i = 0; i < call->n; i++) {
            assert_int_equal(call->event[i].code, 0);
        }
        c->n_acked++;
        rig_call_free(call);
    }
    return NULL;
}

static void start_clients(struct client *c, unsigned n, unsigned n_calls) {
    static unsigned next;
    for (unsigned i = 0; i < n; i++) {
        c[i] = (struct client){
            .number = next++, .n_calls = n_calls, .rpc = ingest_rig_client(&rig.ingest, "client")};
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&c[i].thread, NULL, call_all, &c[i]), 0);
    }
}

static unsigned join_clients(struct client *c, unsigned n) {
    unsigned n_unsynced = 0;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pthread_join(c[i].thread, NULL), 0);
        assert_int_equal(c[i].n_acked, c[i].n_calls);
        n_unsynced += c[i].n_unsynced;
        stele_rpc_client_close(c[i].rpc);
    }
    return n_unsynced;
}

/* Waits until a sync is waited for, or something was answered without; then as long as an answer
 * takes many times over. */
static void wait_held(const _Atomic unsigned *n_answered) {
    for (int tries = 0; tries < ARRIVE_TRIES_MAX && sync_gate_waiting() == 0 && *n_answered == 0;
         tries++) {
        (void)usleep(10000);
    }
    (void)usleep(HELD_US);
}

/* While syncs are held no call is answered; a sync is waited for; then all are answered. */
static bool calls_wait(unsigned n) {
    struct client c[CLIENTS];
    bool waited = true;
    sync_gate_hold();
    start_clients(c, n, 1);
    wait_held(&c[0].n_acked);
    for (unsigned i = 0; i < n; i++) {
        waited = waited && c[i].n_acked == 0;
    }
    waited = waited && sync_gate_waiting() > 0;
    sync_gate_release();
    (void)join_clients(c, n);
    return waited;
}

static void test_acked__a_unary_call_waits_for_the_sync(void **state) {
    (void)state;
    assert_true(calls_wait(1) == STELE_SYNCS);
}

static void test_acked__many_clients_wait_for_the_sync_they_share(void **state) {
    (void)state;
    assert_true(calls_wait(CLIENTS) == STELE_SYNCS);
}

static void test_acked__each_call_has_a_sync_between_sending_and_answer(void **state) {
    struct client c[CLIENTS];
    (void)state;
    start_clients(c, CLIENTS, CALLS_A_CLIENT);
    assert_true((join_clients(c, CLIENTS) == 0) == STELE_SYNCS);
}

struct listener {
    struct rig_stream *stream;
    uint64_t until;
    _Atomic unsigned n_heard;
};

static void *listen_until(void *arg) {
    struct listener *l = arg;
    while (l->stream->acked < l->until) {
        assert_ok(rig_stream_receive(l->stream));
        l->n_heard++;
    }
    return NULL;
}

static void test_acked__a_stream_waits_for_the_sync(void **state) {
    (void)state;
    struct stele_rpc_client *rpc = ingest_rig_client(&rig.ingest, "client");
    struct listener listener = {.stream = rig_stream_open(rpc)};
    bool waited = true;
    for (unsigned round = 0; round < 3; round++) {
        pthread_t thread;
        struct rig_call *call = rig_call_new();
        for (unsigned i = 0; i < 40; i++) {
            add_events(call, 1000 + round, 4 * i + 4 - (1000 + round) % 4); /* one event each */
        }
        listener.until += 40;
        listener.n_heard = 0;
        sync_gate_hold();
        rig_stream_send(listener.stream, call);
        assert_int_equal(pthread_create(&thread, NULL, listen_until, &listener), 0);
        wait_held(&listener.n_heard);
        waited = waited && listener.n_heard == 0 && sync_gate_waiting() > 0;
        sync_gate_release();
        assert_int_equal(pthread_join(thread, NULL), 0);
        rig_call_free(call);
    }
    assert_true(waited == STELE_SYNCS);
    rig_stream_close(listener.stream);
    stele_rpc_client_close(rpc);
}

/* One message at a time: each answer is after a sync that began after the message was sent. */
static void test_acked__each_message_of_a_stream_has_a_sync(void **state) {
    (void)state;
    struct stele_rpc_client *rpc = ingest_rig_client(&rig.ingest, "client");
    struct rig_stream *stream = rig_stream_open(rpc);
    unsigned n_unsynced = 0;
    for (unsigned i = 0; i < CALLS_A_CLIENT; i++) {
        struct rig_call *call = rig_call_new();
        add_events(call, 2000, 4 * i + 3);
        uint64_t from_ns = sync_gate_now_ns();
        uint64_t until = stream->acked + 4;
        rig_stream_send(stream, call);
        while (stream->acked < until) {
            assert_ok(rig_stream_receive(stream));
        }
        n_unsynced += sync_gate_wal_between(from_ns, sync_gate_now_ns()) ? 0 : 1;
        rig_call_free(call);
    }
    assert_true((n_unsynced == 0) == STELE_SYNCS);
    rig_stream_close(stream);
    stele_rpc_client_close(rpc);
}

/* Calls that came while a sync was held are committed together: of CLIENTS calls, each has a sync,
 * and there are fewer syncs than calls. How many came in time is the machine's affair: one round in
 * which they did is enough, and without group commit there is none. */
static void test_acked__many_clients_share_one_sync(void **state) {
    bool shared = false;
    unsigned n_unsynced = 0;
    size_t n_syncs = 0;
    (void)state;
    for (int round = 0; round < ROUNDS_MAX && !shared && n_unsynced == 0; round++) {
        struct client c[CLIENTS];
        sync_gate_hold();
        start_clients(c, CLIENTS, 1);
        wait_held(&c[0].n_acked);
        uint64_t from_ns = sync_gate_now_ns();
        sync_gate_release();
        n_unsynced += join_clients(c, CLIENTS);
        n_syncs = sync_gate_wal_count(from_ns, sync_gate_now_ns());
        shared = n_syncs < CLIENTS;
    }
    (void)printf("acked: %d calls, %zu syncs of the log, %u calls without one\n", CLIENTS, n_syncs,
                 n_unsynced);
    assert_true((shared && n_unsynced == 0) == STELE_SYNCS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acked__a_unary_call_waits_for_the_sync),
        cmocka_unit_test(test_acked__many_clients_wait_for_the_sync_they_share),
        cmocka_unit_test(test_acked__each_call_has_a_sync_between_sending_and_answer),
        cmocka_unit_test(test_acked__many_clients_share_one_sync),
        cmocka_unit_test(test_acked__a_stream_waits_for_the_sync),
        cmocka_unit_test(test_acked__each_message_of_a_stream_has_a_sync),
    };
    return cmocka_run_group_tests_name("acked", tests, start_server, stop_server);
}
