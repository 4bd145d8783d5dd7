/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_ingest_hammer.c: 64 threads send the same events over and over, by calls and by
 * streams, some of them with two contents under one id. Every id ends in exactly one place with one
 * content, and every acknowledgement named that place. Run it under the thread sanitizer as well.
 */
#include "tests/support/cmocka.h"
#include "tests/support/ingest_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_map.h"
#include "storage/log.h"
#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"

#define THREADS 64
#define CLIENTS 4
#define ROUNDS 12
#define IDS 1500
#define DISPUTED 200 /* the first ids come with two contents */

static struct stele_store *store;
static struct ingest_rig rig;
static struct stele_rpc_client *client[CLIENTS];

/* What acks said of an id. */
static struct {
    bool acked;
    char log[40];
    uint64_t seq;
    uint64_t firsts; /* acks that did not say duplicate */
    unsigned variant;
} known[IDS];
static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t conflicts;

struct pick {
    unsigned id;
    unsigned variant;
};

static void add(struct rig_call *call, struct pick pick) {
    char id[32];
    (void)snprintf(id, sizeof id, "e-%u", pick.id);
    rig_call_add(call, &(struct rig_event){.id = id,
                                           .message = pick.variant == 0 ? NULL : "other",
                                           .retention_class = pick.id % 3 == 0 ? 1 : 3});
}

static void note(struct pick pick, uint32_t code, stele_view log, uint64_t seq, bool duplicate) {
    (void)pthread_mutex_lock(&known_lock);
    if (code == STELE_RPC_ALREADY_EXISTS && pick.id < DISPUTED) {
        conflicts++;
    } else {
        assert_int_equal(code, 0);
        if (known[pick.id].acked) {
            assert_true(stele_view_is(log, known[pick.id].log));
            assert_int_equal(seq, known[pick.id].seq);
            assert_int_equal(pick.variant, known[pick.id].variant);
        }
        known[pick.id].acked = true;
        known[pick.id].seq = seq;
        known[pick.id].variant = pick.variant;
        known[pick.id].firsts += !duplicate;
        (void)snprintf(known[pick.id].log, sizeof known[pick.id].log, "%.*s", (int)log.size,
                       (const char *)log.data);
    }
    (void)pthread_mutex_unlock(&known_lock);
}

static size_t pick_some(struct rng *rng, struct pick *picks, struct rig_call *call) {
    size_t n = 1 + rng_below(rng, 40);
    for (size_t i = 0; i < n; i++) {
        picks[i].id = (unsigned)rng_below(rng, IDS);
        picks[i].variant = picks[i].id < DISPUTED ? (unsigned)rng_below(rng, 2) : 0;
        add(call, picks[i]);
    }
    return n;
}

static void by_calls(struct rng *rng, struct stele_rpc_client *c) {
    for (int round = 0; round < ROUNDS; round++) {
        struct pick picks[40];
        struct rig_call *call = rig_call_new();
        size_t n = pick_some(rng, picks, call);
        stele_status st = STELE_BUSY;
        while ((st = rig_call_send(call, c)) == STELE_BUSY) {
        }
        assert_ok(st);
        assert_int_equal(call->n, n);
        for (size_t i = 0; i < n; i++) {
            note(picks[i], call->event[i].code, call->event[i].log, call->event[i].seq,
                 call->event[i].duplicate);
        }
        rig_call_free(call);
    }
}

static void by_stream(struct rng *rng, struct stele_rpc_client *c) {
    static __thread struct pick picks[ROUNDS * 40];
    struct rig_stream *s = rig_stream_open(c);
    size_t n = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct rig_call *call = rig_call_new();
        n += pick_some(rng, picks + n, call);
        rig_stream_send(s, call);
        rig_call_free(call);
        if (rng_below(rng, 3) == 0) {
            assert_ok(rig_stream_receive(s));
        }
    }
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < n) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    for (size_t i = 0; i < n; i++) {
        note(picks[i], s->event[i].code, stele_view_str(s->event[i].log), s->event[i].seq,
             s->event[i].duplicate);
    }
    rig_stream_close(s);
}

static void *hammer(void *arg) {
    uintptr_t thread = (uintptr_t)arg;
    struct rng rng = {thread};
    if (thread % 3 == 0) {
        by_stream(&rng, client[thread % CLIENTS]);
    } else {
        by_calls(&rng, client[thread % CLIENTS]);
    }
    return NULL;
}

/* Everything in the log was acknowledged there, and nothing is there twice. */
static size_t check_log(const char *name) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    size_t n = 0;
    struct stele_log *from = stele_store_log(store, name);
    assert_ok(stele_log_view_open(from, &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (uint64_t seq = 0; seq < stele_log_view_size(view); seq++) {
        assert_ok(stele_log_read(reader, seq, &stored, NULL));
        if (stored.entry.type != STELE_ENTRY_EVENT) {
            continue;
        }
        struct stele_event_head head;
        unsigned id = IDS;
        char text[65];
        assert_ok(stele_event_check(stored.payload, &head, NULL));
        (void)snprintf(text, sizeof text, "%.*s", (int)head.event_id.size,
                       (const char *)head.event_id.data);
        assert_int_equal(sscanf(text, "e-%u", &id), 1);
        assert_true(id < IDS && known[id].acked);
        assert_string_equal(known[id].log, stele_log_full_name(from));
        assert_int_equal(known[id].seq, seq);
        assert_int_equal(known[id].firsts, 1);
        bool other = memmem(stored.payload.data, stored.payload.size, "other", 5) != NULL;
        assert_int_equal(other, known[id].variant);
        n++;
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return n;
}

/* The events' own time, so that none is from the future wherever the test runs. */
static uint64_t fixed_clock(void *ctx) {
    (void)ctx;
    return RIG_NOW_US;
}

static void test_ingest_hammer__every_id_ends_in_one_place(void **state) {
    static const struct stele_log_config logs[] = {
        {.name = "1y", .retention_years = 1},
        {.name = "3y", .retention_years = 3},
        {.name = STELE_SYSTEM_LOG, .retention_years = 7},
    };
    char dir[TEMP_FOLDER_BYTES];
    pthread_t thread[THREADS];
    (void)state;
    temp_folder_make(dir);
    const struct stele_store_config config = {.dir = dir,
                                              .region = "eu",
                                              .operator_domain = "example.org",
                                              .logs = logs,
                                              .n_logs = 3,
                                              .map = stele_event_map_current(),
                                              .clock = fixed_clock,
                                              .index_interval_ms = STELE_INDEX_NO_TIMER,
                                              .create = true};
    assert_ok(stele_store_open(&config, &store, NULL));
    ingest_rig_start(&rig, &store, 1, false);
    for (size_t i = 0; i < CLIENTS; i++) {
        client[i] = ingest_rig_client(&rig, NULL);
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    size_t n_acked = 0;
    for (size_t i = 0; i < IDS; i++) {
        n_acked += known[i].acked;
    }
    assert_int_equal(check_log("1y") + check_log("3y"), n_acked);
    assert_true(n_acked > IDS / 2 && conflicts > 0);
    struct stele_ingest_stats stats;
    stele_ingest_stats_of(rig.ingest, &stats);
    assert_int_equal(stats.events_stored, n_acked);
    assert_int_equal(stats.events_refused, conflicts);
    for (size_t i = 0; i < CLIENTS; i++) {
        stele_rpc_client_close(client[i]);
    }
    ingest_rig_stop(&rig);
    stele_store_close(store);
    temp_folder_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingest_hammer__every_id_ends_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
