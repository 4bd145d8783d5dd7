/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_frames_ahead.c: events read with a helper are those read without one, in either
 * direction, of keys that are everywhere and of rare ones; a frame that does not hold is an error
 * for who reads it; what is open ahead is bounded; and a reader outlives its helper.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "storage/cursor.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define N_EVENTS 3840u
#define BATCH 96u
#define N_ACTORS 60u
#define FIELD_ACTOR 1
#define FIELD_TENANT 16

/* The engine, with a count of reads of packs and, where told to, a changed byte. */
struct engine_view {
    struct stele_engine_ops ops, own;
    _Atomic size_t n_reads;
    _Atomic uint64_t flip_at; /* in the first pack; 0: nothing */
};
static struct engine_view seen; /* of the test that runs: an engine's calls carry nothing of it */

static stele_status get(struct stele_engine *e, const char *key, uint64_t offset, size_t size,
                        stele_buf *out, stele_err *err) {
    size_t before = out->size;
    stele_status st = seen.own.blob_get(e, key, offset, size, out, err);
    uint64_t at = atomic_load(&seen.flip_at);
    atomic_fetch_add(&seen.n_reads, strstr(key, "/p/") != NULL);
    if (st == STELE_OK && at > 0 && strstr(key, "/p/00000000000000000000-") != NULL &&
        at >= offset && at < offset + (out->size - before)) {
        out->data[before + (at - offset)] ^= 1;
    }
    return st;
}

struct bed {
    struct fixture f;
    struct stele_log_view *view;
};

/* Behind a valid event, a field that no schema knows: `size` bytes that do not compress. */
static void enlarge(stele_buf *payload, struct rng *rng, size_t size) {
    static uint8_t bytes[1 << 16];
    struct stele_writer w = stele_writer_to(payload);
    rng_bytes(rng, bytes, size);
    stele_write_varint(&w, 1000u << 3 | 2u);
    stele_write_varint(&w, size);
    stele_write_view(&w, stele_view_of(bytes, size));
    assert_false(w.failed);
}

static void start(struct bed *bed, size_t n_events, size_t more_bytes) {
    struct rng rng = rng_start("frames_ahead");
    struct stele_gen_options options = {
        .region = "eu-test", .n_actors = N_ACTORS, .time_unix_nano = FIXTURE_START_US * 1000};
    struct stele_batch_place place;
    stele_err err;
    atomic_store(&seen.n_reads, 0);
    atomic_store(&seen.flip_at, 0);
    fixture_init(&bed->f);
    bed->f.pack_entries = 1024;
    assert_ok(stele_engine_rocks_open(bed->f.dir, "eu-test", true, &bed->f.engine, &err));
    seen.own = seen.ops = *bed->f.engine->ops;
    seen.ops.blob_get = get;
    bed->f.engine->ops = &seen.ops; /* before the store has threads that read it */
    fixture_open(&bed->f);
    for (size_t done = 0; done < n_events; done += BATCH) {
        stele_buf payload[BATCH] = {STELE_BUF_EMPTY};
        stele_view views[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            stele_gen_event(&rng, &options, &payload[i]);
            if (more_bytes > 0) {
                enlarge(&payload[i], &rng, more_bytes);
            }
            views[i] = stele_view_buf(&payload[i]);
        }
        for (size_t i = 0; i < BATCH; i += 16) { /* a batch has a bound of bytes, too */
            assert_ok(fixture_append(&bed->f, "3y", views + i, 16, &place, &err));
        }
        for (size_t i = 0; i < BATCH; i++) {
            stele_buf_done(&payload[i]);
        }
    }
    fixture_wait_packed(&bed->f, "3y");
    assert_ok(stele_log_view_open(stele_store_log(bed->f.store, "3y"), &bed->view, &err));
}

static void done(struct bed *bed) {
    stele_log_view_close(bed->view);
    fixture_done(&bed->f);
}

typedef enum help_kind { HELP_NONE, HELP_REFUSED, HELP_BETWEEN, HELP_BESIDE } help_kind;
struct question {
    uint8_t field;
    const char *value;
    bool descending;
    help_kind help;
};
struct reading {
    struct stele_seq_stream *stream;
    struct stele_log_reader *reader;
    pthread_t thread;
    bool has_thread;
    size_t n_helped;
};

static const _Atomic uint32_t nobody = 0; /* waits for the helper's thread */

static void *run_help(void *arg) {
    stele_log_reader_help(arg, &nobody);
    return NULL;
}

static void join(struct reading *reading) {
    if (reading->has_thread) {
        (void)pthread_join(reading->thread, NULL);
        reading->has_thread = false;
    }
}

static void begin(const struct bed *bed, const struct question *question, struct reading *ret) {
    const struct stele_index_key key = {.tenant = stele_view_str("acme"),
                                        .field = question->field,
                                        .value = stele_view_str(question->value)};
    const struct stele_time_range range = {.logged_until_us = UINT64_MAX, .until_us = UINT64_MAX};
    *ret = (struct reading){.n_helped = 0};
    assert_ok(stele_seq_stream_open(bed->view, &key, &range, question->descending,
                                    question->descending ? UINT64_MAX : 0, &ret->stream, NULL));
    assert_ok(stele_log_reader_new(bed->view, &ret->reader, NULL));
    stele_log_reader_follow(ret->reader, ret->stream);
}

static void end(struct reading *reading) {
    stele_log_reader_free(reading->reader); /* the thread may be at work */
    join(reading);
    stele_seq_stream_close(reading->stream);
}

static void offer_help(struct reading *reading, help_kind help) {
    if (help == HELP_NONE || !stele_log_reader_wants_help(reading->reader)) {
        return;
    }
    reading->n_helped++;
    assert_false(stele_log_reader_wants_help(reading->reader)); /* one is expected */
    if (help == HELP_REFUSED) {
        stele_log_reader_no_help(reading->reader);
    } else if (help == HELP_BETWEEN) {
        stele_log_reader_help(reading->reader, &nobody);
    } else {
        join(reading);
        assert_int_equal(pthread_create(&reading->thread, NULL, run_help, reading->reader), 0);
        reading->has_thread = true;
    }
}

/* Every event is held against what a reader alone gives with its proof. Returns how many. */
static size_t check_same(const struct bed *bed, const struct question *question,
                         size_t *ret_helped) {
    struct stele_log_reader *alone = NULL;
    struct stele_stored_entry proven;
    struct stele_stored_entry got;
    struct reading reading;
    uint64_t seq = 0;
    size_t n = 0;
    begin(bed, question, &reading);
    assert_ok(stele_log_reader_new(bed->view, &alone, NULL));
    for (; stele_seq_stream_next(reading.stream, &seq, NULL) == STELE_OK; n++) {
        offer_help(&reading, question->help);
        bool prove = n % 50 == 49; /* between the others, of what was perhaps opened ahead */
        assert_ok(stele_log_read_event(reading.reader, seq, &got, NULL));
        assert_ok(prove ? stele_log_read(reading.reader, seq, &got, NULL) : STELE_OK);
        assert_ok(stele_log_read(alone, seq, &proven, NULL));
        assert_true(stele_view_equal(got.payload, proven.payload));
        assert_int_equal(got.entry.seq, seq);
        assert_int_equal(got.entry.era, proven.entry.era);
        assert_int_equal(got.entry.time_us, proven.entry.time_us);
        assert_int_equal(got.entry.as.event.event_us, proven.entry.as.event.event_us);
        assert_memory_equal(got.bytes, proven.bytes, prove ? proven.n_bytes : 0);
    }
    *ret_helped = reading.n_helped;
    stele_log_reader_free(alone);
    end(&reading);
    return n;
}

static void test_frames_ahead__with_a_helper_events_are_the_same(void **state) {
    struct bed bed;
    char rare[64];
    char busy[64];
    (void)state;
    start(&bed, N_EVENTS, 0);
    stele_gen_actor_id(10, rare);
    stele_gen_actor_id(0, busy);
    for (int way = 0; way < 8; way++) {
        struct question question = {.descending = way & 1, .help = (help_kind)(way >> 1)};
        size_t helped = 0;
        question.field = FIELD_TENANT;
        question.value = "";
        assert_int_equal(check_same(&bed, &question, &helped), N_EVENTS);
        assert_true((helped > 0) == (question.help != HELP_NONE));
        question.field = FIELD_ACTOR;
        question.value = rare;
        assert_in_range(check_same(&bed, &question, &helped), 10, N_EVENTS / 20);
        assert_true((helped > 0) == (question.help != HELP_NONE));
        question.value = busy;
        assert_in_range(check_same(&bed, &question, &helped), N_EVENTS / 20, N_EVENTS);
        assert_true((helped > 0) == (question.help != HELP_NONE));
    }
    done(&bed);
}

/* The helper meets the changed byte first, or the reader; who reads the event is told. */
static void test_frames_ahead__a_changed_frame_is_an_error_for_its_events_alone(void **state) {
    struct bed bed;
    (void)state;
    start(&bed, N_EVENTS, 0);
    atomic_store(&seen.flip_at, 100000);
    for (int way = 0; way < 8; way++) {
        struct question question = {.field = FIELD_TENANT,
                                    .value = "",
                                    .descending = way & 1,
                                    .help = (help_kind)(way >> 1)};
        struct stele_stored_entry got;
        struct reading reading;
        uint64_t seq = 0;
        size_t n_wrong = 0;
        begin(&bed, &question, &reading);
        while (stele_seq_stream_next(reading.stream, &seq, NULL) == STELE_OK) {
            stele_err err;
            offer_help(&reading, question.help);
            stele_status st = stele_log_read_event(reading.reader, seq, &got, &err);
            if (st != STELE_OK) {
                assert_int_equal(st, STELE_CORRUPT);
                assert_true(seq < 1024);
                n_wrong++;
            }
        }
        assert_in_range(n_wrong, 1, 16);
        end(&reading);
    }
    done(&bed);
}

static void test_frames_ahead__large_frames_are_not_opened_far_ahead(void **state) {
    struct bed bed;
    struct reading reading;
    struct stele_stored_entry got;
    uint64_t seq = 0;
    (void)state;
    start(&bed, 1152, 40000); /* a pack of frames of 640 KB */
    const struct question question = {.field = FIELD_TENANT, .value = "", .help = HELP_BETWEEN};
    begin(&bed, &question, &reading);
    for (size_t n = 0; n < 600 && reading.n_helped == 0; n++) {
        assert_ok(stele_seq_stream_next(reading.stream, &seq, NULL));
        size_t before = atomic_load(&seen.n_reads);
        offer_help(&reading, HELP_BETWEEN);
        /* One frame, and before it the directory of its pack. */
        assert_true(atomic_load(&seen.n_reads) - before <= (reading.n_helped > 0 ? 2u : 0u));
        assert_ok(stele_log_read_event(reading.reader, seq, &got, NULL));
    }
    assert_int_equal(reading.n_helped, 1);
    end(&reading);
    done(&bed);
}

static void test_frames_ahead__a_helper_gives_way(void **state) {
    struct bed bed;
    struct reading reading;
    struct stele_stored_entry got;
    const _Atomic uint32_t somebody = 1;
    uint64_t seq = 0;
    (void)state;
    start(&bed, N_EVENTS, 0);
    const struct question question = {.field = FIELD_TENANT, .value = ""};
    begin(&bed, &question, &reading);
    do {
        assert_ok(stele_seq_stream_next(reading.stream, &seq, NULL));
        assert_ok(stele_log_read_event(reading.reader, seq, &got, NULL));
    } while (!stele_log_reader_wants_help(reading.reader));
    size_t before = atomic_load(&seen.n_reads);
    stele_log_reader_help(reading.reader, &somebody);
    assert_int_equal(atomic_load(&seen.n_reads), before);
    assert_true(stele_log_reader_wants_help(reading.reader));
    stele_log_reader_help(reading.reader, &nobody);
    assert_true(atomic_load(&seen.n_reads) > before);
    end(&reading);
    done(&bed);
}

struct late {
    struct stele_log_reader *reader;
    _Atomic int came;
};

static void *help_late(void *arg) {
    struct late *late = arg;
    (void)usleep(50000);
    atomic_store(&late->came, 1);
    stele_log_reader_help(late->reader, &nobody);
    return NULL;
}

static void test_frames_ahead__a_reader_is_there_for_whom_it_expects(void **state) {
    struct bed bed;
    struct reading reading;
    struct stele_stored_entry got;
    struct late late = {.came = 0};
    pthread_t thread;
    uint64_t seq = 0;
    (void)state;
    start(&bed, N_EVENTS, 0);
    const struct question question = {.field = FIELD_TENANT, .value = ""};
    begin(&bed, &question, &reading);
    late.reader = reading.reader;
    do {
        assert_ok(stele_seq_stream_next(reading.stream, &seq, NULL));
        assert_ok(stele_log_read_event(reading.reader, seq, &got, NULL));
    } while (!stele_log_reader_wants_help(reading.reader));
    assert_int_equal(pthread_create(&thread, NULL, help_late, &late), 0);
    end(&reading);
    assert_int_equal(atomic_load(&late.came), 1);
    (void)pthread_join(thread, NULL);
    done(&bed);
}

static void test_frames_ahead__who_follows_nothing_wants_no_help(void **state) {
    struct bed bed;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry got;
    (void)state;
    start(&bed, N_EVENTS, 0);
    assert_ok(stele_log_reader_new(bed.view, &reader, NULL));
    for (uint64_t seq = 0; seq < 100; seq++) {
        assert_false(stele_log_reader_wants_help(reader));
        assert_ok(stele_log_read_event(reader, seq, &got, NULL));
    }
    stele_log_reader_free(reader);
    done(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_ahead__with_a_helper_events_are_the_same),
        cmocka_unit_test(test_frames_ahead__a_changed_frame_is_an_error_for_its_events_alone),
        cmocka_unit_test(test_frames_ahead__large_frames_are_not_opened_far_ahead),
        cmocka_unit_test(test_frames_ahead__a_helper_gives_way),
        cmocka_unit_test(test_frames_ahead__a_reader_is_there_for_whom_it_expects),
        cmocka_unit_test(test_frames_ahead__who_follows_nothing_wants_no_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
