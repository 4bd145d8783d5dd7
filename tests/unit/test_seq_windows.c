/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_seq_windows.c: a key that is rare here and frequent there, in merged segments, a
 * pack and a tail: its seqs come whole and in order, whatever windows they are read in, and never
 * more of them at a time than a pack has entries.
 */
#include <string.h>
#include <unistd.h>

#include "storage/log_parts.h"
#include "tests/support/event_gen.h"
#include "tests/support/memory_segment.h"
#include "tests/support/store_fixture.h"

#define PACK_ENTRIES 256u
#define N_EVENTS 5200u /* a segment of 4,096 entries, packs, and a tail */
#define BATCH 100u

static struct fixture f;
static uint64_t expected[N_EVENTS];
static size_t n_expected;

/* One in 400; a stretch in the middle of nothing but these; none in the end but one. */
static bool is_wanted(size_t i) {
    return i % 400 == 7 || (i >= 2500 && i < 3600 && i % 50 != 0) || i == N_EVENTS - 1;
}

static bool is_merged(void) {
    struct stele_catalog *catalog = stele_log__pin(stele_store_log(f.store, "3y"));
    bool merged = stele_segment_info_of(catalog->segment[0]->segment)->hi >= 4096;
    stele_catalog_unref(catalog);
    return merged;
}

static int make_store(void **state) {
    struct rng rng = rng_start("seq_windows");
    stele_buf payload[BATCH] = {STELE_BUF_EMPTY};
    stele_view views[BATCH];
    stele_err err;
    (void)state;
    fixture_init(&f);
    f.pack_entries = PACK_ENTRIES;
    fixture_open(&f);
    for (size_t i = 0; i < N_EVENTS; i += BATCH) {
        struct stele_batch_place place;
        for (size_t k = 0; k < BATCH; k++) {
            struct stele_gen_options options = {.region = "eu-test",
                                                .tenant = is_wanted(i + k) ? "wanted" : "acme",
                                                .time_unix_nano = FIXTURE_START_US * 1000};
            stele_buf_clear(&payload[k]);
            stele_gen_event(&rng, &options, &payload[k]);
            views[k] = stele_view_buf(&payload[k]);
        }
        assert_ok(fixture_append(&f, "3y", views, BATCH, &place, &err));
        for (size_t k = 0; k < BATCH; k++) {
            if (is_wanted(i + k)) {
                expected[n_expected++] = place.first_seq + k;
            }
        }
    }
    for (size_t k = 0; k < BATCH; k++) {
        stele_buf_done(&payload[k]);
    }
    fixture_wait_packed(&f, "3y");
    while (!is_merged()) { /* a log that grows comes first: some seconds later */
        (void)usleep(1000);
    }
    return 0;
}

static int remove_store(void **state) {
    (void)state;
    fixture_done(&f);
    return 0;
}

static void check_read(struct stele_log_view *view, bool descending, uint64_t from) {
    const struct stele_index_key key = {.tenant = stele_view_str("wanted"), .field = 16};
    const struct stele_time_range range = {.logged_until_us = UINT64_MAX, .until_us = UINT64_MAX};
    struct stele_seq_stream *stream = NULL;
    uint64_t ahead[4 * PACK_ENTRIES];
    uint64_t seq = 0;
    size_t n = 0;
    size_t n_over_an_end = 0;
    stele_err err;
    while (n < n_expected &&
           (descending ? expected[n_expected - 1 - n] >= from : expected[n] < from)) {
        n++;
    }
    assert_ok(stele_seq_stream_open(view, &key, &range, descending, from, &stream, &err));
    stele_status st = STELE_OK;
    for (; (st = stele_seq_stream_next(stream, &seq, &err)) == STELE_OK; n++) {
        assert_true(n < n_expected);
        assert_int_equal(seq, expected[descending ? n_expected - 1 - n : n]);
        size_t n_ahead = stele_seq_stream_ahead(stream, ahead, 4 * PACK_ENTRIES);
        assert_in_range(n_ahead, 0, PACK_ENTRIES - 1);
        for (size_t i = 0; i < n_ahead; i++) {
            assert_int_equal(ahead[i], expected[descending ? n_expected - 2 - n - i : n + 1 + i]);
        }
        n_over_an_end += n_ahead > 0 && ahead[0] / PACK_ENTRIES != seq / PACK_ENTRIES;
    }
    assert_int_equal(st, STELE_END);
    assert_int_equal(n, n_expected);
    assert_true(from != (descending ? UINT64_MAX : 0) || n_over_an_end > 2);
    stele_seq_stream_close(stream);
}

static void test_seq_windows__a_key_comes_whole_and_in_order(void **state) {
    struct stele_log_view *view = NULL;
    struct rng rng = rng_start("from");
    stele_err err;
    (void)state;
    assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, &err));
    check_read(view, false, 0);
    check_read(view, true, UINT64_MAX);
    for (int i = 0; i < 200; i++) {
        check_read(view, false, 1 + rng_below(&rng, N_EVENTS));
        check_read(view, true, 1 + rng_below(&rng, N_EVENTS));
    }
    stele_log_view_close(view);
}

/* A segment that lists each entry under both tenants: more in a window than entries. */
static struct stele_segment *forge(struct stele_log *log, const struct stele_segment_info *info,
                                   stele_buf *bytes) {
    static struct stele_posting postings[2 * PACK_ENTRIES];
    static struct stele_posting scratch[2 * PACK_ENTRIES];
    const stele_view tenant[] = {stele_view_str("acme"), stele_view_str("wanted")};
    const struct stele_tag_key *key = NULL;
    struct stele_segment *segment = NULL;
    assert_ok(stele_keyring_tag_key(log->keyring, log->name, info->era, false, &key, NULL));
    for (uint32_t i = 0; i < 2 * PACK_ENTRIES; i++) {
        stele_tag_of(key, tenant[i % 2], 16, stele_view_of(NULL, 0), false, postings[i].tag);
        postings[i].offset = i / 2;
    }
    stele_postings_sort(postings, 2 * PACK_ENTRIES, scratch);
    assert_ok(test_segment_write(info, postings, 2 * PACK_ENTRIES, bytes, NULL));
    assert_ok(stele_segment_open(memory_read_at, bytes, bytes->size, &segment, NULL));
    return segment;
}

static void test_seq_windows__a_forged_index_is_not_read_for_ever(void **state) {
    const struct stele_index_key every = {.field = 16};
    const struct stele_time_range range = {.logged_until_us = UINT64_MAX, .until_us = UINT64_MAX};
    struct stele_log *log = stele_store_log(f.store, "3y");
    struct stele_log_view *view = NULL;
    struct stele_seq_stream *stream = NULL;
    stele_buf bytes = STELE_BUF_EMPTY;
    uint64_t seq = 0;
    stele_err err;
    (void)state;
    assert_ok(stele_log_view_open(log, &view, &err));
    struct stele_segment_ref *ref = view->catalog->segment[0];
    struct stele_segment *own = ref->segment;
    ref->segment = forge(log, stele_segment_info_of(own), &bytes);
    assert_ok(stele_seq_stream_open(view, &every, &range, false, 0, &stream, &err));
    assert_status(stele_seq_stream_next(stream, &seq, &err), CORRUPT);
    assert_non_null(strstr(err.text, "lists more than there are"));
    stele_seq_stream_close(stream);
    stele_segment_close(ref->segment);
    ref->segment = own;
    stele_log_view_close(view);
    stele_buf_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seq_windows__a_key_comes_whole_and_in_order),
        cmocka_unit_test(test_seq_windows__a_forged_index_is_not_read_for_ever),
    };
    return cmocka_run_group_tests(tests, make_store, remove_store);
}
