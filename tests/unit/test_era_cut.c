/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_era_cut.c: an era that ends before its month, and what stands on either side. */
#include <pthread.h>
#include <string.h>

#include "storage/log_parts.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define ERA (202511u * 100u)
#define NEXT_MONTH_US UINT64_C(1764547200000000) /* 2025-12-01 */

struct bed {
    struct fixture f;
    struct rng rng;
    stele_buf payload;
};

static struct stele_log *log_of(struct bed *bed) {
    return stele_store_log(bed->f.store, "3y");
}

static void start(struct bed *bed) {
    fixture_init(&bed->f);
    fixture_open(&bed->f);
    bed->rng = rng_start("era_cut");
    bed->payload = STELE_BUF_EMPTY;
    struct stele_gen_options options = {.region = "eu-test",
                                        .tenant = "acme",
                                        .n_actors = 1,
                                        .n_resources = 1,
                                        .time_unix_nano = FIXTURE_START_US * 1000};
    stele_gen_event(&bed->rng, &options, &bed->payload);
}

static void done(struct bed *bed) {
    stele_buf_done(&bed->payload);
    fixture_done(&bed->f);
}

static uint64_t append(struct bed *bed) {
    struct stele_batch_place place;
    stele_view payload = stele_view_buf(&bed->payload);
    stele_err err;
    assert_ok(fixture_append(&bed->f, "3y", &payload, 1, &place, &err));
    return place.first_seq;
}

static uint32_t era_of(struct bed *bed, uint64_t seq, uint8_t ret_tag[STELE_AT_LEAST(16)]) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    stele_err err;
    assert_ok(stele_log_view_open(log_of(bed), &view, &err));
    assert_ok(stele_log_reader_new(view, &reader, &err));
    assert_ok(stele_log_read(reader, seq, &stored, &err));
    if (stored.entry.type == STELE_ENTRY_EVENT) {
        assert_ok(stele_log_read_tags(reader, &tags, &err));
        memcpy(ret_tag, tags->tag[0], STELE_TAG_BYTES);
    }
    uint32_t era = stored.entry.era;
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return era;
}

static size_t count_of_tenant(struct bed *bed) {
    struct stele_log_view *view = NULL;
    struct stele_seq_stream *stream = NULL;
    const struct stele_index_key key = {.tenant = stele_view_str("acme"), .field = 16};
    const struct stele_time_range range = {.logged_until_us = UINT64_MAX, .until_us = UINT64_MAX};
    uint64_t seq = 0;
    size_t n = 0;
    stele_err err;
    assert_ok(stele_log_view_open(log_of(bed), &view, &err));
    assert_ok(stele_seq_stream_open(view, &key, &range, false, 0, &stream, &err));
    while (stele_seq_stream_next(stream, &seq, &err) == STELE_OK) {
        n++;
    }
    stele_seq_stream_close(stream);
    stele_log_view_close(view);
    return n;
}

static void test_era_cut__what_comes_after_has_another_key(void **state) {
    struct bed bed;
    uint8_t before[STELE_TAG_BYTES];
    uint8_t after[STELE_TAG_BYTES];
    uint32_t era = 0;
    stele_err err;
    (void)state;
    start(&bed);
    uint64_t first = append(&bed);
    assert_ok(stele_log_cut_era(log_of(&bed), &era, &err));
    assert_int_equal(era, ERA + 1);
    uint64_t second = append(&bed);
    assert_int_equal(second, first + 2); /* the EPOCH stands between */
    assert_int_equal(era_of(&bed, first, before), ERA);
    assert_int_equal(era_of(&bed, first + 1, after), ERA + 1);
    assert_int_equal(era_of(&bed, second, after), ERA + 1);
    assert_memory_not_equal(before, after, sizeof before); /* the same event */
    assert_int_equal(count_of_tenant(&bed), 2);
    /* The same after a start, and once it is packed: a unit ends with its era. */
    fixture_close(&bed.f);
    fixture_open(&bed.f);
    fixture_wait_packed(&bed.f, "3y");
    assert_int_equal(era_of(&bed, first, before), ERA);
    assert_int_equal(era_of(&bed, second, after), ERA + 1);
    assert_int_equal(count_of_tenant(&bed), 2);
    assert_int_equal(log_of(&bed)->catalog->unit[0]->era, ERA);
    assert_int_equal(log_of(&bed)->catalog->unit[1]->era, ERA + 1);
    assert_int_equal(log_of(&bed)->catalog->unit[1]->lo, first + 1);
    done(&bed);
}

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool done;
    stele_status st;
    struct stele_batch_place place;
};

static void on_done(void *arg, stele_status st, const stele_err *err,
                    const struct stele_batch_place *place) {
    struct wait *wait = arg;
    (void)err;
    (void)pthread_mutex_lock(&wait->lock);
    wait->st = st;
    wait->place = *place;
    wait->done = true;
    (void)pthread_cond_signal(&wait->moved);
    (void)pthread_mutex_unlock(&wait->lock);
}

/* Tags are made before the batch has its place: those of the old key are made again. */
static void test_era_cut__a_batch_made_before_it_has_the_new_key(void **state) {
    struct bed bed;
    struct wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    struct stele_batch *batch = NULL;
    uint8_t tag[STELE_TAG_BYTES];
    uint32_t era = 0;
    stele_err err;
    (void)state;
    start(&bed);
    (void)append(&bed);
    assert_ok(stele_batch_new(log_of(&bed), &batch, &err));
    assert_ok(stele_batch_add(batch, stele_view_buf(&bed.payload), &err));
    assert_ok(stele_log_cut_era(log_of(&bed), &era, &err));
    assert_ok(stele_batch_submit(batch, on_done, &wait, &err));
    (void)pthread_mutex_lock(&wait.lock);
    while (!wait.done) {
        (void)pthread_cond_wait(&wait.moved, &wait.lock);
    }
    (void)pthread_mutex_unlock(&wait.lock);
    assert_int_equal(wait.st, STELE_OK);
    assert_int_equal(wait.place.era, ERA + 1);
    assert_int_equal(era_of(&bed, wait.place.first_seq, tag), ERA + 1);
    assert_int_equal(count_of_tenant(&bed), 2);
    done(&bed);
}

static void test_era_cut__ninety_nine_times_a_month(void **state) {
    struct bed bed;
    uint8_t tag[STELE_TAG_BYTES];
    uint32_t era = 0;
    stele_err err;
    (void)state;
    start(&bed);
    for (uint32_t i = 1; i <= 99; i++) {
        assert_ok(stele_log_cut_era(log_of(&bed), &era, &err));
        assert_int_equal(era, ERA + i);
    }
    assert_status(stele_log_cut_era(log_of(&bed), &era, &err), LIMIT);
    assert_int_equal(era_of(&bed, append(&bed), tag), ERA + 99);
    atomic_store(&bed.f.now_us, NEXT_MONTH_US + 5);
    assert_int_equal(era_of(&bed, append(&bed), tag), ERA + 100);
    assert_ok(stele_log_cut_era(log_of(&bed), &era, &err));
    assert_int_equal(era, ERA + 101);
    fixture_close(&bed.f);
    assert_ok(fixture_try_open(&bed.f, true, &err));
    assert_status(stele_log_cut_era(log_of(&bed), &era, &err), CLOSED);
    done(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_era_cut__what_comes_after_has_another_key),
        cmocka_unit_test(test_era_cut__a_batch_made_before_it_has_the_new_key),
        cmocka_unit_test(test_era_cut__ninety_nine_times_a_month),
    };
    return cmocka_run_group_tests_name("era_cut", tests, NULL, NULL);
}
