/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_compress.c: frames open to what was compressed, and only under the caller's cap.
 */
#include "storage/compress.h"

#include <pthread.h>
#include <string.h>

#include "storage/dictionary/event_generator.h"
#include "storage/dictionary/events-1.dict.h"
#include "storage/hash.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#define FRAME_EVENTS 16

static struct stele_compressor *mine(void) {
    struct stele_compressor *c = NULL;
    assert_ok(stele_compressor_mine(&c, NULL));
    return c;
}

static stele_buf some_events(uint64_t seed, size_t n) {
    struct event_generator g;
    stele_buf out = STELE_BUF_EMPTY;
    event_generator_init(&g, seed);
    for (size_t i = 0; i < n; i++) {
        assert_ok(event_generate(&g, &out, NULL));
    }
    return out;
}

/* Any other bytes make every stored frame unreadable: this test must never be changed, only added
 * to. */
static void test_compress__dictionary_1_is_frozen(void **unused) {
    (void)unused;
    uint8_t hash[STELE_HASH_BYTES];
    char hex[2 * STELE_HASH_BYTES + 1];
    stele_sha256_of(stele_view_of(stele_dictionary_events_1, sizeof stele_dictionary_events_1),
                    hash);
    stele_hex_encode(stele_view_of(hash, sizeof hash), hex);
    assert_string_equal(hex, STELE_DICTIONARY_EVENTS_1_SHA256);
    assert_string_equal(hex, "9b5a1a73717b041ecd732393e881f557e59f44cfdb4802fbd184760652dc3569");
}

static void check_round_trip(struct stele_compressor *c, stele_view raw) {
    stele_buf sealed = STELE_BUF_EMPTY;
    stele_buf opened = STELE_BUF_EMPTY;
    assert_ok(stele_buf_append(&sealed, stele_view_str("before"), NULL));
    assert_ok(stele_buf_append(&opened, stele_view_str("before"), NULL));
    assert_ok(stele_compress(c, raw, &sealed, NULL));
    stele_view frame = stele_view_of(sealed.data + 6, sealed.size - 6);
    assert_ok(stele_decompress(c, frame, raw.size, raw.size, &opened, NULL, NULL));
    assert_true(opened.size == raw.size + 6);
    assert_memory_equal(opened.data, "before", 6);
    assert_true(stele_view_equal(stele_view_of(opened.data + 6, raw.size), raw));
    stele_buf_done(&sealed);
    stele_buf_done(&opened);
}

static void test_compress__opens_to_what_went_in(void **unused) {
    (void)unused;
    struct rng rng = rng_start("compress");
    static uint8_t bytes[200000];
    check_round_trip(mine(), stele_view_of(NULL, 0));
    for (unsigned round = 0; round < 300; round++) {
        size_t size = (size_t)rng_below(&rng, round % 10 == 0 ? sizeof bytes : 2000);
        uint64_t alphabet = 1 + rng_below(&rng, 256);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)rng_below(&rng, alphabet);
        }
        check_round_trip(mine(), stele_view_of(bytes, size));
        stele_buf events = some_events(rng_next(&rng), 1 + (size_t)rng_below(&rng, FRAME_EVENTS));
        check_round_trip(mine(), stele_view_buf(&events));
        stele_buf_done(&events);
    }
}

/* About half: two digests of 32 random bytes, ids and times are what is left of an event. */
static void test_compress__makes_a_frame_of_events_small(void **unused) {
    (void)unused;
    stele_buf raw = some_events(4242, FRAME_EVENTS);
    stele_buf sealed = STELE_BUF_EMPTY;
    assert_ok(stele_compress(mine(), stele_view_buf(&raw), &sealed, NULL));
    print_message("16 events: %zu bytes in a frame of %zu\n", raw.size, sealed.size);
    assert_true(sealed.size < raw.size * 3 / 5);
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
}

static void expect_corrupt(stele_view sealed, size_t raw_bytes, size_t raw_bytes_max) {
    stele_buf out = STELE_BUF_EMPTY;
    stele_err err = {0};
    assert_status(stele_decompress(mine(), sealed, raw_bytes, raw_bytes_max, &out, NULL, &err),
                  CORRUPT);
    assert_true(err.text[0] != '\0');
    assert_true(out.size == 0);
    stele_buf_done(&out);
}

static void test_compress__refuses_what_is_over_the_cap_before_allocating(void **unused) {
    (void)unused;
    stele_buf raw = some_events(1, FRAME_EVENTS);
    stele_buf sealed = STELE_BUF_EMPTY;
    assert_ok(stele_compress(mine(), stele_view_buf(&raw), &sealed, NULL));
    stele_view frame = stele_view_buf(&sealed);
    expect_corrupt(frame, raw.size, raw.size - 1);
    expect_corrupt(frame, SIZE_MAX, SIZE_MAX - 1);
    expect_corrupt(frame, SIZE_MAX, SIZE_MAX); /* not the frame's own size: nothing is allocated */
    expect_corrupt(frame, raw.size - 1, raw.size);
    expect_corrupt(frame, raw.size + 1, raw.size + 1);
    stele_buf out = STELE_BUF_EMPTY;
    assert_status(stele_decompress(mine(), frame, raw.size, raw.size - 1, &out, NULL, NULL),
                  CORRUPT);
    assert_null(out.data);
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
}

static void test_compress__refuses_all_but_one_whole_frame(void **unused) {
    (void)unused;
    stele_buf raw = some_events(2, 3);
    stele_buf sealed = STELE_BUF_EMPTY;
    assert_ok(stele_compress(mine(), stele_view_buf(&raw), &sealed, NULL));
    for (size_t size = 0; size < sealed.size; size++) {
        expect_corrupt(stele_view_of(sealed.data, size), raw.size, raw.size);
    }
    size_t one = sealed.size;
    assert_ok(stele_compress(mine(), stele_view_of(NULL, 0), &sealed, NULL)); /* two frames */
    expect_corrupt(stele_view_buf(&sealed), raw.size, raw.size);
    sealed.size = one;
    assert_ok(stele_buf_append(&sealed, stele_view_str("x"), NULL));
    expect_corrupt(stele_view_buf(&sealed), raw.size, raw.size);
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
}

static void test_compress__refuses_another_dictionary(void **unused) {
    (void)unused;
    stele_buf raw = some_events(3, 1);
    stele_buf sealed = STELE_BUF_EMPTY;
    assert_ok(stele_compress(mine(), stele_view_buf(&raw), &sealed, NULL));
    assert_int_equal(sealed.data[4] & 3, 1); /* RFC 8878: a dictionary id of one byte follows */
    assert_int_equal(sealed.data[5], 1);
    sealed.data[5] = 2;
    expect_corrupt(stele_view_buf(&sealed), raw.size, raw.size);
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
}

static void *compress_in_thread(void *result) {
    struct stele_compressor *first = NULL;
    struct stele_compressor *again = NULL;
    stele_buf raw = some_events(5, FRAME_EVENTS);
    for (unsigned i = 0; i < 50; i++) {
        check_round_trip(mine(), stele_view_buf(&raw));
    }
    stele_buf_done(&raw);
    bool ok = stele_compressor_mine(&first, NULL) == STELE_OK &&
              stele_compressor_mine(&again, NULL) == STELE_OK && first == again;
    *(struct stele_compressor **)result = ok ? first : NULL;
    return NULL;
}

static void test_compress__each_thread_has_its_own(void **unused) {
    (void)unused;
    pthread_t thread;
    struct stele_compressor *theirs = NULL;
    assert_int_equal(pthread_create(&thread, NULL, compress_in_thread, &theirs), 0);
    struct stele_compressor *ours = mine();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(theirs);
    assert_true(theirs != ours);
    assert_true(mine() == ours);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compress__dictionary_1_is_frozen),
        cmocka_unit_test(test_compress__opens_to_what_went_in),
        cmocka_unit_test(test_compress__makes_a_frame_of_events_small),
        cmocka_unit_test(test_compress__refuses_what_is_over_the_cap_before_allocating),
        cmocka_unit_test(test_compress__refuses_all_but_one_whole_frame),
        cmocka_unit_test(test_compress__refuses_another_dictionary),
        cmocka_unit_test(test_compress__each_thread_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
