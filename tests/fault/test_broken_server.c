/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_broken_server.c: a server whose disk fails under it: clients are told
 * UNAVAILABLE, the server's log says why, what was stored is read on, and when the disk is well
 * again the same events are taken, without anybody doing anything.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/query_client.h"
#include "proto/rpc_status.h"
#include "tests/fault/disk_fault.h"
#include "tests/fault/serve_rig.h"
#include "tests/support/cmocka.h"

#define STORED_MAX 400
#define ROUNDS 3
#define CALLS_WHILE_BROKEN 6
#define TRIES_MAX 6000 /* of 10 ms, on a machine with much else to do */
#define TIMEOUT_MS 60000

static struct serve_rig rig;
static struct disk_fault *fault;
static struct stele_rpc_client *client;

/* Every event that was acknowledged. */
static struct stored {
    char log[40];
    uint64_t seq;
    stele_buf payload;
} stored[STORED_MAX];
static size_t n_stored;

/* What the program would have logged since `forget_log`. */
static struct {
    pthread_mutex_t lock;
    unsigned n;
    char reason[STELE_ERR_TEXT_BYTES];
    char wanted[64];
} logged = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_report(void *ctx, const char *log, const stele_err *err) {
    (void)ctx;
    (void)pthread_mutex_lock(&logged.lock);
    if (log[0] != '\0' && strstr(err->text, logged.wanted) != NULL) {
        logged.n++;
        (void)snprintf(logged.reason, sizeof logged.reason, "%s", err->text);
    }
    (void)pthread_mutex_unlock(&logged.lock);
}

static void forget_log(const char *wanted) {
    (void)pthread_mutex_lock(&logged.lock);
    logged.n = 0;
    (void)snprintf(logged.wanted, sizeof logged.wanted, "%s", wanted);
    (void)pthread_mutex_unlock(&logged.lock);
}

static unsigned n_logged(void) {
    (void)pthread_mutex_lock(&logged.lock);
    unsigned n = logged.n;
    (void)pthread_mutex_unlock(&logged.lock);
    return n;
}

/* One event of a name of its own; true if it was acknowledged, and then it is noted. Anything but
 * that and UNAVAILABLE with a reason fails the test. */
static bool append_event(unsigned number, uint32_t years) {
    char id[32];
    struct rig_call *call = rig_call_new();
    stele_buf payload = STELE_BUF_EMPTY;
    (void)snprintf(id, sizeof id, "event-%u", number);
    rig_event_put(&(struct rig_event){.id = id, .retention_class = years}, &payload);
    rig_call_add_bytes(call, stele_view_buf(&payload));
    stele_status st = rig_call_send(call, client);
    bool acked = st == STELE_OK && call->event[0].code == 0;
    if (st == STELE_OK && !acked) {
        assert_int_equal(call->event[0].code, STELE_RPC_UNAVAILABLE);
        assert_true(call->event[0].error.size > 0);
    } else if (st != STELE_OK) {
        assert_int_equal(call->result.code, STELE_RPC_UNAVAILABLE);
        assert_true(call->err.text[0] != '\0');
    }
    if (acked) {
        assert_true(n_stored < STORED_MAX);
        struct stored *s = &stored[n_stored++];
        (void)snprintf(s->log, sizeof s->log, "%.*s", (int)call->event[0].log.size,
                       (const char *)call->event[0].log.data);
        s->seq = call->event[0].seq;
        s->payload = payload;
    } else {
        stele_buf_done(&payload);
    }
    rig_call_free(call);
    return acked;
}

static void read_stored(size_t i) {
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_got got;
    stele_err err;
    const struct stele_get_request request = {.log = stele_view_str(stored[i].log),
                                              .seq = stored[i].seq};
    if (stele_client_get(client, &request, TIMEOUT_MS, &reply, &got, &err) != STELE_OK) {
        fail_msg("%s %llu cannot be read: %s (%s)", stored[i].log,
                 (unsigned long long)stored[i].seq, err.text, err.where);
    }
    assert_true(stele_view_equal(got.hit.event, stele_view_buf(&stored[i].payload)));
    stele_buf_done(&reply);
}

static unsigned append_until_taken(unsigned number, uint32_t years) {
    for (int tries = 0; !append_event(number, years); tries++) {
        assert_true(tries < TRIES_MAX);
        (void)usleep(10000);
    }
    return number + 1;
}

static void break_and_mend(disk_call call, int os_errno) {
    static unsigned next;
    for (int round = 0; round < ROUNDS; round++) {
        size_t before = n_stored;
        uint32_t years = round % 2 == 0 ? 3 : 1;
        next = append_until_taken(next, years);
        forget_log(strerror(os_errno));
        disk_fault_set(fault, call, 1, UINT64_MAX - 1, os_errno);
        for (unsigned i = 0; i < CALLS_WHILE_BROKEN; i++) {
            assert_false(append_event(next + i, years));
            for (size_t at = n_stored < 5 ? 0 : n_stored - 5; at < n_stored; at++) {
                read_stored(at); /* the newest, and some that were stored before a failure */
            }
        }
        assert_int_equal(n_stored, before + 1);
        if (n_logged() == 0) {
            fail_msg("the server's log does not say '%s'", strerror(os_errno));
        }
        disk_fault_end(fault);
        for (unsigned i = 0; i < CALLS_WHILE_BROKEN; i++) {
            next = append_until_taken(next, years);
        }
    }
    (void)printf("broken server: '%s' was logged as: %s\n", strerror(os_errno), logged.reason);
}

static void test_broken_server__no_write_works(void **state) {
    (void)state;
    break_and_mend(DISK_WRITE, ENOSPC);
    break_and_mend(DISK_WRITE, EIO);
}

static void test_broken_server__no_sync_works(void **state) {
    (void)state;
    break_and_mend(DISK_SYNC, EIO);
}

/* Each event once, at its place, also after a restart over a disk that is well. */
static void test_broken_server__all_that_was_acknowledged_is_there(void **state) {
    (void)state;
    for (int starts = 0; starts < 2; starts++) {
        for (size_t i = 0; i < n_stored; i++) {
            read_stored(i);
            for (size_t j = 0; j < i; j++) {
                assert_true(stored[i].seq != stored[j].seq ||
                            strcmp(stored[i].log, stored[j].log) != 0);
            }
        }
        stele_rpc_client_close(client);
        serve_rig_restart(&rig);
        client = ingest_rig_client(&rig.ingest, "client");
    }
    (void)printf("broken server: %zu events acknowledged\n", n_stored);
}

static int start_server(void **state) {
    char path[TEMP_FOLDER_BYTES + 16];
    (void)state;
    serve_rig_start(&rig, note_report);
    (void)snprintf(path, sizeof path, "%s/faults", rig.ingest.folder);
    fault = disk_fault_start(path, rig.data);
    client = ingest_rig_client(&rig.ingest, "client");
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    stele_rpc_client_close(client);
    serve_rig_stop(&rig);
    (void)munmap(fault, sizeof *fault);
    for (size_t i = 0; i < n_stored; i++) {
        stele_buf_done(&stored[i].payload);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_server__no_write_works),
        cmocka_unit_test(test_broken_server__no_sync_works),
        cmocka_unit_test(test_broken_server__all_that_was_acknowledged_is_there),
    };
    return cmocka_run_group_tests_name("broken server", tests, start_server, stop_server);
}
