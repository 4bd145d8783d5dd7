/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_log_concurrent.c: everything a log does, at once: submitters, readers of entries,
 * keys and tiles, checkpoints, packing and merging, while the clock runs through months. Two
 * promises are checked all the time: what was acknowledged is in every view opened afterwards, and
 * a view never changes. Run under ThreadSanitizer, it looks for races too. STELE_SOAK=1: a minute
 * instead of seconds.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/event_map.h"
#include "storage/fsck.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define SUBMITTERS 4
#define READERS 2
#define ACKED_MAX 60000 /* per log: keeps the model, and a slow machine's run, small */
#define BATCH_MAX 48
#define SECONDS 3
#define SOAK_SECONDS 60
#define HOUR_US UINT64_C(3600000000)

/* An event whose acknowledgement has come. */
struct acked {
    uint64_t seq, time_us;
    stele_buf payload;
};
struct registry {
    const char *log;
    pthread_mutex_t lock;
    struct acked *event;
    size_t n;
};
struct bed {
    struct fixture f;
    struct registry registry[2];
    atomic_bool stop;
    atomic_bool failed;
    pthread_mutex_t lock;
    char why[512]; /* the first failure */
    atomic_size_t n_views, n_keys, n_notes;
};
struct worker {
    struct bed *bed;
    struct rng rng;
    pthread_t thread;
    struct stele_event_facts facts;
};

/* Threads other than the test's own must not jump out with an assertion: they say why and end. */
static void blame(struct bed *bed, int line, const char *what, const stele_err *err) {
    (void)pthread_mutex_lock(&bed->lock);
    if (!atomic_exchange(&bed->failed, true)) {
        (void)snprintf(bed->why, sizeof bed->why, "line %d: %s%s%s", line, what,
                       err != NULL ? ": " : "", err != NULL ? err->text : "");
    }
    (void)pthread_mutex_unlock(&bed->lock);
}
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            blame(w->bed, __LINE__, #condition, NULL);                                             \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        stele_err check_err = {.text = ""};                                                        \
        stele_err *err = &check_err;                                                               \
        if ((call) != STELE_OK) {                                                                  \
            blame(w->bed, __LINE__, #call, err);                                                   \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

static bool over(const struct bed *bed) {
    return atomic_load(&bed->stop) || atomic_load(&bed->failed);
}

static void pause_us(uint64_t us) {
    struct timespec pause = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    (void)nanosleep(&pause, NULL);
}

static struct stele_log *log_of(struct worker *w, const struct registry *r) {
    return stele_store_log(w->bed->f.store, r->log);
}

/* ------------------------------------------------------------------ writing */

static bool remember(struct registry *r, const struct stele_batch_place *place, stele_buf *payload,
                     size_t n) {
    (void)pthread_mutex_lock(&r->lock);
    bool room = r->n + n <= ACKED_MAX;
    for (size_t i = 0; room && i < n; i++) {
        r->event[r->n++] = (struct acked){place->first_seq + i, place->time_us, payload[i]};
        payload[i] = STELE_BUF_EMPTY;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return room;
}

static bool has_room(struct registry *r) {
    (void)pthread_mutex_lock(&r->lock);
    bool room = r->n + (size_t)SUBMITTERS * BATCH_MAX <= ACKED_MAX;
    (void)pthread_mutex_unlock(&r->lock);
    return room;
}

/* What was just acknowledged is in a view opened now. */
static void read_back(struct worker *w, const struct registry *r,
                      const struct stele_batch_place *place, const stele_buf *payload) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    CHECK_OK(stele_log_view_open(log_of(w, r), &view, err));
    CHECK(stele_log_view_size(view) >= place->first_seq + place->n);
    CHECK_OK(stele_log_reader_new(view, &reader, err));
    for (size_t i = 0; i < place->n; i++) {
        struct stele_stored_entry stored;
        CHECK_OK(stele_log_read(reader, place->first_seq + i, &stored, err));
        CHECK(stele_view_equal(stored.payload, stele_view_buf(&payload[i])));
        CHECK(stored.entry.time_us == place->time_us);
    }
done:
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

static void *submit(void *arg) {
    struct worker *w = arg;
    stele_buf payload[BATCH_MAX];
    for (size_t i = 0; i < BATCH_MAX; i++) {
        payload[i] = STELE_BUF_EMPTY;
    }
    while (!over(w->bed)) {
        struct registry *r = &w->bed->registry[rng_below(&w->rng, 4) == 0 ? 1 : 0];
        stele_view views[BATCH_MAX];
        struct stele_batch_place place = {0};
        size_t n = 1 + rng_below(&w->rng, rng_below(&w->rng, 3) == 0 ? BATCH_MAX : 8);
        if (!has_room(r)) {
            pause_us(10000);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            uint64_t now_us = atomic_load(&w->bed->f.now_us);
            uint64_t age_us =
                rng_below(&w->rng, rng_below(&w->rng, 8) == 0 ? 2000 * HOUR_US : 12 * HOUR_US);
            struct stele_gen_options options = {.region = "eu-test",
                                                .n_actors = 60,
                                                .n_resources = 40,
                                                .tenant =
                                                    rng_below(&w->rng, 3) == 0 ? "globex" : "acme",
                                                .time_unix_nano = (now_us - age_us) * 1000};
            stele_buf_clear(&payload[i]);
            stele_gen_event(&w->rng, &options, &payload[i]);
            views[i] = stele_view_buf(&payload[i]);
        }
        CHECK_OK(fixture_append(&w->bed->f, r->log, views, n, &place, err));
        CHECK(place.n == n);
        if (rng_below(&w->rng, 4) == 0) {
            read_back(w, r, &place, payload);
        }
        CHECK(remember(r, &place, payload, n));
        pause_us(rng_below(&w->rng, 2000));
    }
done:
    for (size_t i = 0; i < BATCH_MAX; i++) {
        stele_buf_done(&payload[i]);
    }
    return NULL;
}

/* ------------------------------------------------------------------ reading */

/* A key of the event: its stream finds the event at once in either direction, and gives only events
 * with the key, in order. */
static void follow_key(struct worker *w, struct stele_log_view *view,
                       struct stele_log_reader *reader, uint64_t seq) {
    const struct stele_time_range always = {0, UINT64_MAX, 0, UINT64_MAX};
    struct stele_event_map map = stele_event_map_current();
    struct stele_seq_stream *stream = NULL;
    struct stele_stored_entry stored;
    struct stele_index_stats stats;
    stele_buf value = STELE_BUF_EMPTY;
    stele_buf tenant = STELE_BUF_EMPTY;
    bool descending = rng_below(&w->rng, 2) == 0;
    uint64_t last = 0;
    CHECK_OK(stele_log_read(reader, seq, &stored, err));
    size_t k = rng_below(&w->rng, stored.facts->n_keys);
    CHECK_OK(stele_buf_append(&value, stored.facts->key[k].value, err));
    CHECK_OK(stele_buf_append(&tenant, stored.facts->tenant, err));
    struct stele_index_key key = {stele_view_buf(&tenant), stored.facts->key[k].field,
                                  stele_view_buf(&value)};
    CHECK_OK(stele_log_key_stats(view, &key, &always, UINT64_MAX, &stats, err));
    CHECK(stats.postings > 0);
    CHECK_OK(stele_seq_stream_open(view, &key, &always, descending, descending ? seq + 1 : seq,
                                   &stream, err));
    for (int i = 0; i < 20; i++) {
        uint64_t found = 0;
        bool bears = false;
        stele_status st = stele_seq_stream_next(stream, &found, NULL);
        CHECK(st == STELE_OK || (st == STELE_END && i > 0));
        if (st == STELE_END) {
            break;
        }
        CHECK(i == 0 ? found == seq : (descending ? found < last : found > last));
        CHECK(found < stele_log_view_size(view));
        last = found;
        CHECK_OK(stele_log_read(reader, found, &stored, err));
        CHECK_OK(map.map(map.ctx, stored.payload, &w->facts, err));
        for (size_t j = 0; j < w->facts.n_keys; j++) {
            bears |= w->facts.key[j].field == key.field &&
                     stele_view_equal(w->facts.key[j].value, key.value);
        }
        CHECK(bears && stele_view_equal(w->facts.tenant, key.tenant));
    }
    atomic_fetch_add(&w->bed->n_keys, 1);
done:
    stele_seq_stream_close(stream);
    stele_buf_done(&value);
    stele_buf_done(&tenant);
}

/* The first tile of the log's entries, whose bytes must not depend on where they are kept. */
static void read_tile(struct worker *w, struct stele_log_view *view, stele_buf *out) {
    struct stele_tile tile = {.entries = false, .level = 0};
    uint64_t size = stele_log_view_size(view);
    CHECK(size > 0);
    tile.index = (size - 1) / STELE_TILE_WIDTH / 2;
    tile.width = size / STELE_TILE_WIDTH > tile.index ? 0 : (uint16_t)(size % STELE_TILE_WIDTH);
    stele_buf_clear(out);
    CHECK_OK(stele_log_view_tile(view, &tile, out, err));
done:
    return;
}

struct sight { /* what a view shows */
    uint8_t root[STELE_HASH_BYTES];
    stele_buf tile;
};

static void look(struct worker *w, struct stele_log_view *view, struct sight *ret) {
    CHECK_OK(
        stele_tree_root_at(stele_log_view_size(view), stele_log_view_node, view, ret->root, err));
    read_tile(w, view, &ret->tile);
done:
    return;
}

/* One view, looked at several times while the log goes on. */
static void hold_view(struct worker *w, struct registry *r) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct sight first = {.tile = STELE_BUF_EMPTY};
    struct sight later = {.tile = STELE_BUF_EMPTY};
    (void)pthread_mutex_lock(&r->lock);
    size_t n = r->n;
    (void)pthread_mutex_unlock(&r->lock);
    CHECK_OK(stele_log_view_open(log_of(w, r), &view, err));
    CHECK_OK(stele_log_reader_new(view, &reader, err));
    look(w, view, &first);
    for (int round = 0; round < 3 && !over(w->bed); round++) {
        for (int i = 0; i < 8 && n > 0; i++) {
            /* The registry only grows: what is below n does not move. */
            const struct acked *event = &r->event[rng_below(&w->rng, n)];
            struct stele_stored_entry stored;
            uint64_t at = 0;
            CHECK(event->seq < stele_log_view_size(view));
            CHECK_OK(stele_log_read(reader, event->seq, &stored, err));
            CHECK(stele_view_equal(stored.payload, stele_view_buf(&event->payload)));
            CHECK_OK(stele_log_view_seq_at(view, event->time_us, &at, err));
            CHECK(at <= event->seq);
            follow_key(w, view, reader, event->seq);
        }
        pause_us(rng_below(&w->rng, 20000));
        look(w, view, &later);
        CHECK(memcmp(first.root, later.root, sizeof first.root) == 0);
        CHECK(stele_view_equal(stele_view_buf(&first.tile), stele_view_buf(&later.tile)));
    }
    atomic_fetch_add(&w->bed->n_views, 1);
done:
    stele_buf_done(&first.tile);
    stele_buf_done(&later.tile);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

static void *read_on(void *arg) {
    struct worker *w = arg;
    while (!over(w->bed)) {
        hold_view(w, &w->bed->registry[rng_below(&w->rng, 3) == 0 ? 1 : 0]);
    }
    return NULL;
}

/* Every note opens, grows, extends the one before and is what the log's entries give. */
static void *sign(void *arg) {
    struct worker *w = arg;
    struct registry *r = &w->bed->registry[0];
    struct stele_checkpoint before = {.size_leaves = 0};
    struct stele_log_view *view = NULL;
    stele_buf note = STELE_BUF_EMPTY;
    struct stele_vkey vkey;
    stele_log_vkey(log_of(w, r), &vkey);
    while (!over(w->bed)) {
        struct stele_checkpoint now;
        uint8_t root[STELE_HASH_BYTES];
        CHECK_OK(stele_log_view_open(log_of(w, r), &view, err));
        stele_buf_clear(&note);
        CHECK_OK(stele_log_checkpoint(log_of(w, r), stele_log_view_size(view), &note, NULL, err));
        stele_log_view_close(view);
        view = NULL;
        CHECK_OK(stele_checkpoint_open(stele_view_buf(&note), &vkey, 1, &now, err));
        CHECK(now.size_leaves >= before.size_leaves);
        CHECK_OK(stele_log_view_open(log_of(w, r), &view, err));
        CHECK(now.size_leaves <= stele_log_view_size(view));
        CHECK_OK(stele_tree_root_at(now.size_leaves, stele_log_view_node, view, root, err));
        CHECK(memcmp(root, now.root, sizeof root) == 0);
        if (before.size_leaves > 0) {
            CHECK_OK(stele_tree_root_at(before.size_leaves, stele_log_view_node, view, root, err));
            CHECK(memcmp(root, before.root, sizeof root) == 0);
        }
        stele_log_view_close(view);
        view = NULL;
        before = now;
        atomic_fetch_add(&w->bed->n_notes, 1);
        pause_us(rng_below(&w->rng, 5000));
    }
done:
    stele_log_view_close(view);
    stele_buf_done(&note);
    return NULL;
}

/* Months go by, so that eras end and their segments are merged. */
static void *step_clock(void *arg) {
    struct worker *w = arg;
    while (!over(w->bed)) {
        atomic_fetch_add(&w->bed->f.now_us, rng_below(&w->rng, 5 * HOUR_US));
        pause_us(2000);
    }
    return NULL;
}

/* ------------------------------------------------------------------ the test */

/* After a restart: every acknowledged event is where its acknowledgement said. */
static void check_registry(struct bed *bed, const struct registry *r) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    assert_ok(stele_log_view_open(stele_store_log(bed->f.store, r->log), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (size_t i = 0; i < r->n; i++) {
        struct stele_stored_entry stored;
        assert_ok(stele_log_read(reader, r->event[i].seq, &stored, NULL));
        assert_true(stele_view_equal(stored.payload, stele_view_buf(&r->event[i].payload)));
        assert_int_equal(stored.entry.time_us, r->event[i].time_us);
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

static void run_workers(struct bed *bed, unsigned seconds) {
    static void *(*const job[])(void *) = {submit,  submit,  submit, submit,
                                           read_on, read_on, sign,   step_clock};
    enum { JOBS = SUBMITTERS + READERS + 2 };
    static struct worker worker[JOBS];
    struct rng rng = rng_start("log_concurrent");
    assert_int_equal(sizeof job / sizeof job[0], JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        worker[i].bed = bed;
        worker[i].rng.state = rng_next(&rng);
        assert_int_equal(pthread_create(&worker[i].thread, NULL, job[i], &worker[i]), 0);
    }
    for (unsigned i = 0; i < seconds * 100 && !over(bed); i++) {
        pause_us(10000);
    }
    atomic_store(&bed->stop, true);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
    }
}

static void test_log_concurrent__acknowledged_is_readable_and_views_do_not_change(void **state) {
    static struct bed bed;
    struct stele_fsck_report report;
    stele_err err = {.text = ""};
    (void)state;
    fixture_init(&bed.f);
    (void)pthread_mutex_init(&bed.lock, NULL);
    for (size_t i = 0; i < 2; i++) {
        bed.registry[i].log = i == 0 ? "3y" : "1y";
        (void)pthread_mutex_init(&bed.registry[i].lock, NULL);
        bed.registry[i].event = calloc(ACKED_MAX, sizeof(struct acked));
        assert_non_null(bed.registry[i].event);
    }
    fixture_open(&bed.f);
    run_workers(&bed, getenv("STELE_SOAK") != NULL ? SOAK_SECONDS : SECONDS);
    if (atomic_load(&bed.failed)) {
        fail_msg("%s", bed.why);
    }
    fixture_wait_packed(&bed.f, "3y");
    fixture_close(&bed.f);
    stele_status st = fixture_try_open(&bed.f, true, &err);
    st = st == STELE_OK ? stele_fsck(bed.f.store, NULL, NULL, &report, &err) : st;
    if (st != STELE_OK) {
        fail_msg("fsck: %s (%s)", err.text, err.where);
    }
    (void)printf("%" PRIu64 " events, %" PRIu64 " packs, %" PRIu64
                 " segments; %zu views held, %zu keys followed, %zu notes\n",
                 report.events, report.packs, report.segments, atomic_load(&bed.n_views),
                 atomic_load(&bed.n_keys), atomic_load(&bed.n_notes));
    assert_int_equal(report.events, bed.registry[0].n + bed.registry[1].n);
    assert_true(report.packs > report.segments); /* some were merged */
    assert_true(atomic_load(&bed.n_views) > 0 && atomic_load(&bed.n_keys) > 0 &&
                atomic_load(&bed.n_notes) > 0);
    for (size_t i = 0; i < 2; i++) {
        struct registry *r = &bed.registry[i];
        check_registry(&bed, r);
        for (size_t j = 0; j < r->n; j++) {
            stele_buf_done(&r->event[j].payload);
        }
        free(r->event);
    }
    fixture_done(&bed.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_concurrent__acknowledged_is_readable_and_views_do_not_change),
    };
    return cmocka_run_group_tests_name("log_concurrent", tests, NULL, NULL);
}
