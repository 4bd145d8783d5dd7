/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_log_ahead.c: what a reader has fetched before it reads it, seen from the engine.
 */
#include <string.h>

#include "storage/log_reader_parts.h"
#include "storage/pack.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define N_EVENTS 600u
#define BATCH 100u
#define TOLD_ROOM 4096u

/* What the engine was told. */
struct told {
    size_t n;
    uint64_t offset[TOLD_ROOM], end[TOLD_ROOM];
    char key[TOLD_ROOM][STELE_BLOB_KEY_MAX];
};
static struct told told; /* of the test that runs: an engine's calls carry nothing of a test's */

static bool is_told(const char *key, uint64_t offset) {
    for (size_t i = 0; i < told.n; i++) {
        if (offset >= told.offset[i] && offset < told.end[i] && strcmp(told.key[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static void note(struct stele_engine *e, const char *key, uint64_t offset, size_t size) {
    (void)e;
    assert_true(size > 0 && told.n < TOLD_ROOM);
    assert_false(is_told(key, offset)); /* each once */
    told.offset[told.n] = offset;
    told.end[told.n] = offset + size;
    (void)snprintf(told.key[told.n++], STELE_BLOB_KEY_MAX, "%s", key);
}

struct bed {
    struct fixture f;
    struct stele_engine_ops ops; /* the engine's, and the note */
    struct stele_log_view *view;
};

static void open_noting(struct bed *bed) {
    assert_ok(stele_engine_rocks_open(bed->f.dir, "eu-test", true, &bed->f.engine, NULL));
    assert_non_null(bed->f.engine->ops->blob_will_need);
    bed->ops = *bed->f.engine->ops;
    bed->ops.blob_will_need = note;
    bed->f.engine->ops = &bed->ops; /* before the store has threads that read it */
    fixture_open(&bed->f);
}

static void start(struct bed *bed) {
    struct rng rng = rng_start("log_ahead");
    struct stele_gen_options options = {.region = "eu-test",
                                        .tenant = "acme",
                                        .n_actors = 10,
                                        .n_resources = 10,
                                        .time_unix_nano = FIXTURE_START_US * 1000};
    stele_buf payload[BATCH] = {STELE_BUF_EMPTY};
    stele_view views[BATCH];
    struct stele_batch_place place;
    stele_err err;
    told.n = 0;
    fixture_init(&bed->f);
    bed->f.pack_entries = 256;
    open_noting(bed);
    for (size_t done = 0; done < N_EVENTS; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            stele_buf_clear(&payload[i]);
            stele_gen_event(&rng, &options, &payload[i]);
            views[i] = stele_view_buf(&payload[i]);
        }
        assert_ok(fixture_append(&bed->f, "3y", views, BATCH, &place, &err));
    }
    fixture_wait_packed(&bed->f, "3y");
    for (size_t i = 0; i < BATCH; i++) {
        stele_buf_done(&payload[i]);
    }
    assert_ok(stele_log_view_open(stele_store_log(bed->f.store, "3y"), &bed->view, &err));
    assert_non_null(bed->view->catalog->unit[0]->pack);
}

static void done(struct bed *bed) {
    stele_log_view_close(bed->view);
    fixture_done(&bed->f);
}

struct reading {
    bool descending, follows;
    bool events; /* without what proves them: no leaf hashes */
    uint64_t slow_us;
};

/* Reads all events of the tenant. Returns how many items of packs were read before the engine was
 * told of them. */
static size_t read_all(struct bed *bed, const struct reading *reading) {
    const struct stele_index_key key = {.tenant = stele_view_str("acme"), .field = 16};
    const struct stele_time_range range = {.logged_until_us = UINT64_MAX, .until_us = UINT64_MAX};
    struct stele_seq_stream *stream = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    char key_of_blob[STELE_BLOB_KEY_MAX];
    uint64_t seq = 0;
    uint64_t item = UINT64_MAX;
    size_t n = 0;
    size_t n_untold = 0;
    stele_err err;
    assert_ok(stele_seq_stream_open(bed->view, &key, &range, reading->descending,
                                    reading->descending ? UINT64_MAX : 0, &stream, &err));
    assert_ok(stele_log_reader_new(bed->view, &reader, &err));
    reader->slow_us = reading->slow_us;
    if (reading->follows) {
        stele_log_reader_follow(reader, stream);
    }
    for (; stele_seq_stream_next(stream, &seq, &err) == STELE_OK; n++) {
        size_t n_told = told.n;
        assert_ok(reading->events ? stele_log_read_event(reader, seq, &stored, &err)
                                  : stele_log_read(reader, seq, &stored, &err));
        const struct stele_unit *unit = reader->open.unit;
        if (unit->pack != NULL && reader->open.item.first_seq != item) {
            item = reader->open.item.first_seq;
            stele_pack_key("3y", reading->events ? 'p' : 'h', unit->lo, atomic_load(&unit->hi),
                           key_of_blob);
            size_t now = told.n;
            told.n = n_told;
            n_untold +=
                !is_told(key_of_blob, reading->events ? reader->cursor.window.at
                                                      : (item - unit->lo) * STELE_HASH_BYTES);
            told.n = now;
        }
    }
    assert_int_equal(n, N_EVENTS);
    stele_log_reader_free(reader);
    stele_seq_stream_close(stream);
    return n_untold;
}

static size_t n_packs(const struct bed *bed) {
    size_t n = 0;
    for (size_t i = 0; i < bed->view->catalog->n_units; i++) {
        n += bed->view->catalog->unit[i]->pack != NULL;
    }
    return n;
}

static size_t n_told(char kind) {
    size_t n = 0;
    for (size_t i = 0; i < told.n; i++) {
        n += told.key[i][3] == kind; /* 3y/<kind>/ */
    }
    return n;
}

/* Every read counts as slow: each item but the first of a pack is fetched before it is read. Frames
 * have 16 events and 64 of them are told of at a time. */
static void check_slow(bool descending) {
    struct bed bed;
    start(&bed);
    struct reading reading = {.descending = descending, .follows = true, .slow_us = 0};
    size_t n_untold = read_all(&bed, &reading);
    assert_true(n_packs(&bed) >= 2 && n_untold <= n_packs(&bed));
    assert_true(n_told('p') >= n_packs(&bed) && n_told('h') >= n_packs(&bed)); /* as few ranges */
    told.n = 0;
    reading.events = true;
    n_untold = read_all(&bed, &reading);
    assert_true(n_untold <= n_packs(&bed));
    assert_true(n_told('p') >= n_packs(&bed));
    assert_int_equal(n_told('h'), 0);
    done(&bed);
}

static void test_log_ahead__what_follows_a_slow_read_is_fetched(void **state) {
    (void)state;
    check_slow(false);
}

static void test_log_ahead__so_it_is_backwards(void **state) {
    (void)state;
    check_slow(true);
}

static void test_log_ahead__what_is_in_memory_is_not_asked_for(void **state) {
    struct bed bed;
    (void)state;
    start(&bed);
    (void)read_all(&bed, &(struct reading){.follows = true, .slow_us = UINT64_MAX});
    assert_int_equal(told.n, 0);
    (void)read_all(&bed, &(struct reading){.follows = false, .slow_us = 0});
    assert_int_equal(told.n, 0);
    done(&bed);
}

/* The first bytes of each pack, its end, and its tile roots; small packs are fetched whole. */
static void test_log_ahead__packs_are_fetched_before_they_are_opened(void **state) {
    struct bed bed;
    char key[STELE_BLOB_KEY_MAX];
    (void)state;
    start(&bed);
    size_t n = n_packs(&bed);
    stele_log_view_close(bed.view);
    fixture_close(&bed.f);
    told.n = 0;
    open_noting(&bed);
    for (size_t i = 0; i < n; i++) {
        stele_pack_key("3y", 'p', i * 256, (i + 1) * 256, key);
        assert_true(is_told(key, 0));
        stele_pack_key("3y", 'h', i * 256, (i + 1) * 256, key);
        assert_true(is_told(key, 256 * STELE_HASH_BYTES));
        assert_false(is_told(key, 0)); /* leaf hashes are not needed */
    }
    assert_true(n >= 2);
    assert_ok(stele_log_view_open(stele_store_log(bed.f.store, "3y"), &bed.view, NULL));
    done(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_ahead__what_follows_a_slow_read_is_fetched),
        cmocka_unit_test(test_log_ahead__so_it_is_backwards),
        cmocka_unit_test(test_log_ahead__what_is_in_memory_is_not_asked_for),
        cmocka_unit_test(test_log_ahead__packs_are_fetched_before_they_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
