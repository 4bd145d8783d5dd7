/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_frame.c: what is sealed opens to the same payloads, whatever is said to be
 * opaque; opaque bytes stand apart once, unless they occur twice; and no other bytes open.
 */
#include "storage/frame.h"

#include <stdio.h>
#include <string.h>

#include "storage/record.h"
#include "tests/support/frame_whole.h"
#include "tests/support/golden_hex.h"
#include "tests/support/rng.h"

#define OPAQUE_MAX 64

/* Up to 16 payloads, and what is said of them. */
struct bed {
    uint8_t n;
    uint8_t seed[STELE_SEED_BYTES];
    stele_buf bytes[STELE_FRAME_EVENTS_MAX];
    stele_view opaque[STELE_FRAME_EVENTS_MAX][OPAQUE_MAX];
    struct stele_frame_event event[STELE_FRAME_EVENTS_MAX];
    stele_buf sealed;
    uint32_t raw_bytes;
};

static struct stele_compressor *mine(void) {
    struct stele_compressor *c = NULL;
    assert_ok(stele_compressor_mine(&c, NULL));
    return c;
}

static void put(struct bed *bed, uint8_t i, size_t size, struct rng *rng) {
    assert_ok(stele_buf_reserve(&bed->bytes[i], size + 1, NULL));
    for (size_t k = 0; k < size; k++) {
        bed->bytes[i].data[k] = (uint8_t)(rng_below(rng, 4) == 0 ? rng_next(rng) : 'a' + k % 7);
    }
    bed->bytes[i].size = size;
    bed->event[i] = (struct stele_frame_event){stele_view_buf(&bed->bytes[i]), bed->opaque[i], 0};
}

static void mark(struct bed *bed, uint8_t i, size_t at, size_t size) {
    struct stele_frame_event *event = &bed->event[i];
    assert_true(event->n_opaque < OPAQUE_MAX);
    bed->opaque[i][event->n_opaque++] = stele_view_slice(event->payload, at, size);
}

static void seal(struct bed *bed) {
    stele_buf_clear(&bed->sealed);
    assert_ok(stele_frame_seal(mine(), bed->seed, bed->event, bed->n, &bed->sealed, &bed->raw_bytes,
                               NULL));
}

static void check_opens(struct bed *bed) {
    struct stele_frame_content content;
    stele_buf raw = STELE_BUF_EMPTY;
    stele_err err;
    seal(bed);
    assert_true(bed->raw_bytes <= STELE_FRAME_RAW_MAX);
    stele_status st =
        stele_frame_open(mine(), STELE_FRAME_CODEC_APART, stele_view_buf(&bed->sealed),
                         bed->raw_bytes, bed->n, &raw, &content, &err);
    if (st != STELE_OK) {
        fail_msg("a frame of %u events: %s", bed->n, err.text);
    }
    assert_int_equal(content.n, bed->n);
    assert_memory_equal(content.seed, bed->seed, STELE_SEED_BYTES);
    for (uint8_t i = 0; i < bed->n; i++) {
        assert_true(stele_view_equal(content.payload[i], bed->event[i].payload));
    }
    stele_buf_done(&raw);
}

static void done(struct bed *bed) {
    for (size_t i = 0; i < STELE_FRAME_EVENTS_MAX; i++) {
        stele_buf_done(&bed->bytes[i]);
    }
    stele_buf_done(&bed->sealed);
}

static void test_frame__whatever_is_said_to_be_opaque_it_opens(void **state) {
    struct rng rng = rng_start("frames");
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct bed bed = {.n = (uint8_t)(1 + rng_below(&rng, STELE_FRAME_EVENTS_MAX))};
        for (uint8_t i = 0; i < bed.n; i++) {
            size_t size = rng_below(&rng, 8) == 0 ? 0 : rng_below(&rng, 900);
            size_t at = 0;
            put(&bed, i, size, &rng);
            while (rng_below(&rng, 6) != 0 && bed.event[i].n_opaque < OPAQUE_MAX) {
                size_t gap = rng_below(&rng, 3) == 0 ? 0 : rng_below(&rng, 40);
                size_t length = rng_below(&rng, 50);
                if (at + gap + length > size) {
                    break;
                }
                mark(&bed, i, at + gap, length);
                at += gap + length;
            }
        }
        check_opens(&bed);
        done(&bed);
    }
}

static void test_frame__the_largest_and_the_smallest_open(void **state) {
    struct rng rng = rng_start("large frames");
    struct bed bed = {.n = STELE_FRAME_EVENTS_MAX};
    (void)state;
    for (uint8_t i = 0; i < bed.n; i++) {
        put(&bed, i, STELE_PAYLOAD_BYTES_MAX, &rng);
        for (size_t k = 0; k < OPAQUE_MAX; k++) { /* more than a frame takes apart */
            mark(&bed, i, k * 1024, 8 + k % 9);
        }
    }
    check_opens(&bed);
    done(&bed);
    bed = (struct bed){.n = STELE_FRAME_EVENTS_MAX};
    for (uint8_t i = 0; i < bed.n; i++) { /* all of it is opaque, from its first byte to its last */
        put(&bed, i, STELE_PAYLOAD_BYTES_MAX, &rng);
        mark(&bed, i, 0, STELE_PAYLOAD_BYTES_MAX);
    }
    check_opens(&bed);
    done(&bed);
    bed = (struct bed){.n = 1};
    put(&bed, 0, 0, &rng);
    check_opens(&bed);
    done(&bed);
}

static void test_frame__opaque_bytes_stand_apart_unless_they_occur_twice(void **state) {
    struct rng rng = rng_start("apart");
    struct bed bed = {.n = 3};
    (void)state;
    for (uint8_t i = 0; i < bed.n; i++) {
        put(&bed, i, 200, &rng);
        for (size_t k = 0; k < 64; k++) {
            bed.bytes[i].data[100 + k] = (uint8_t)rng_next(&rng);
        }
        mark(&bed, i, 100, 32);
        mark(&bed, i, 132, 32);
        mark(&bed, i, 190, 7); /* too short to be worth it */
    }
    memcpy(bed.bytes[2].data + 132, bed.bytes[0].data + 100, 32); /* the same digest again */
    check_opens(&bed);
    stele_view sealed = stele_view_buf(&bed.sealed);
    size_t apart = 4 * (size_t)32;
    const uint8_t *behind = sealed.data + sealed.size - apart;
    assert_memory_equal(behind, bed.bytes[0].data + 132, 32);
    assert_memory_equal(behind + 32, bed.bytes[1].data + 100, 64);
    assert_memory_equal(behind + 96, bed.bytes[2].data + 100, 32);
    /* The seed, the payloads less those, and not many lengths are compressed. */
    assert_in_range(bed.raw_bytes, STELE_SEED_BYTES + 600 - apart, STELE_SEED_BYTES + 632 - apart);
    done(&bed);
}

/* One lies about lengths, with compression that is made right. */
static void test_frame__lengths_that_do_not_fit_are_refused(void **state) {
    /* Two payloads of 12 and 3 bytes: "ab", 8 apart, "cd"; "efg". */
    static const struct {
        const char *what;
        const char *lengths;
        size_t n_lengths;
        const char *text, *behind;
        bool opens;
    } rows[] = {
        {"as it is", "\x0c\x01\x02\x08\x03\x00", 6, "abcdefg", "12345678", true},
        {"a byte more apart", "\x0c\x01\x02\x08\x03\x00", 6, "abcdefg", "123456789", false},
        {"a byte less apart", "\x0c\x01\x02\x08\x03\x00", 6, "abcdefg", "1234567", false},
        {"none apart", "\x0c\x01\x02\x08\x03\x00", 6, "abcdefg", "", false},
        {"a byte more text", "\x0c\x01\x02\x08\x03\x00", 6, "abcdefgh", "12345678", false},
        {"a byte less text", "\x0c\x01\x02\x08\x03\x00", 6, "abcdef", "12345678", false},
        {"a longer payload", "\x0d\x01\x02\x08\x03\x00", 6, "abcdefg", "12345678", false},
        {"a part over the payload's end", "\x0c\x01\x02\x0b\x03\x00", 6, "abcdefg", "12345678",
         false},
        {"a gap over the payload's end", "\x0c\x01\x0d\x08\x03\x00", 6, "abcdefg", "12345678",
         false},
        {"a part of seven bytes", "\x0b\x01\x02\x07\x03\x00", 6, "abcdefg", "1234567", false},
        {"more parts than there are", "\x0c\x02\x02\x08\x03\x00", 6, "abcdefg", "12345678", false},
        {"257 parts", "\x0c\x81\x02\x02\x08\x03\x00", 7, "abcdefg", "12345678", false},
        {"a length that is not minimal", "\x8c\x00\x01\x02\x08\x03\x00", 7, "abcdefg", "12345678",
         false},
        {"a payload of 64 KiB and one byte", "\x81\x80\x04\x00\x03\x00", 6, "abcdefg", "", false},
        {"cut off in the lengths", "\x0c\x01\x02", 3, "", "12345678", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stele_frame_content content;
        stele_buf raw = STELE_BUF_EMPTY;
        stele_buf sealed = STELE_BUF_EMPTY;
        stele_buf opened = STELE_BUF_EMPTY;
        uint8_t seed[STELE_SEED_BYTES] = {0};
        stele_err err;
        assert_ok(stele_buf_append(&raw, stele_view_of(seed, sizeof seed), NULL));
        assert_ok(stele_buf_append(&raw, stele_view_of(rows[i].lengths, rows[i].n_lengths), NULL));
        assert_ok(stele_buf_append(&raw, stele_view_str(rows[i].text), NULL));
        assert_ok(stele_compress(mine(), stele_view_buf(&raw), &sealed, NULL));
        assert_ok(stele_buf_append(&sealed, stele_view_str(rows[i].behind), NULL));
        stele_status st = stele_frame_open(mine(), STELE_FRAME_CODEC_APART, stele_view_buf(&sealed),
                                           (uint32_t)raw.size, 2, &opened, &content, &err);
        if ((st == STELE_OK) != rows[i].opens || (st != STELE_OK && st != STELE_CORRUPT)) {
            fail_msg("%s: %s", rows[i].what, st == STELE_OK ? "it opens" : err.text);
        }
        if (st == STELE_OK) {
            assert_true(stele_view_is(content.payload[0], "ab12345678cd"));
            assert_true(stele_view_is(content.payload[1], "efg"));
        }
        stele_buf_done(&raw);
        stele_buf_done(&sealed);
        stele_buf_done(&opened);
    }
}

/* Frozen: what FORMAT.md's tables give, written without this code. */
static void test_frame__what_the_format_says_opens(void **state) {
    char golden[GOLDEN_HEX_CHARS] = "";
    uint8_t bytes[1024];
    uint8_t digest[32];
    uint8_t seed[STELE_SEED_BYTES];
    struct stele_item item;
    struct stele_frame_content content;
    stele_buf raw = STELE_BUF_EMPTY;
    stele_err err;
    (void)state;
    golden_hex("frame_item.hex", golden);
    size_t size = strlen(golden) / 2;
    assert_ok(stele_hex_decode(stele_view_str(golden), bytes, size, &err));
    struct stele_reader r = stele_reader_of(stele_view_of(bytes, size), "item");
    assert_ok(stele_item_read(&r, &item, &err));
    assert_ok(stele_frame_open(mine(), item.codec, item.sealed, item.raw_bytes, item.n, &raw,
                               &content, &err));
    memset(seed, 0x5e, sizeof seed);
    for (size_t i = 0; i < sizeof digest; i++) {
        digest[i] = (uint8_t)i;
    }
    assert_memory_equal(content.seed, seed, sizeof seed);
    assert_int_equal(content.payload[0].size, 6 + 32 + 5 + 16);
    assert_memory_equal(content.payload[0].data, "model ", 6);
    assert_memory_equal(content.payload[0].data + 6, digest, sizeof digest);
    assert_memory_equal(content.payload[0].data + 38, " and ", 5);
    assert_int_equal(content.payload[0].data[43], 200);
    assert_true(stele_view_is(content.payload[1], "nothing of it"));
    stele_buf_done(&raw);
}

static void test_frame__codec_1_is_read(void **state) {
    struct stele_frame_content written = {.seed = {7}, .n = 3};
    struct stele_frame_content read;
    stele_buf sealed = STELE_BUF_EMPTY;
    stele_buf raw = STELE_BUF_EMPTY;
    uint32_t raw_bytes = 0;
    stele_err err;
    (void)state;
    written.payload[0] = stele_view_str("one");
    written.payload[1] = stele_view_str("");
    written.payload[2] = stele_view_str("another");
    frame_whole_seal(&written, &sealed, &raw_bytes);
    assert_ok(stele_frame_open(mine(), STELE_FRAME_CODEC_WHOLE, stele_view_buf(&sealed), raw_bytes,
                               3, &raw, &read, &err));
    for (size_t i = 0; i < 3; i++) {
        assert_true(stele_view_equal(written.payload[i], read.payload[i]));
    }
    assert_status(stele_frame_open(mine(), STELE_FRAME_CODEC_WHOLE, stele_view_buf(&sealed),
                                   raw_bytes, 2, &raw, &read, &err),
                  CORRUPT);
    assert_ok(stele_buf_append(&sealed, stele_view_str("12345678"), NULL));
    assert_status(stele_frame_open(mine(), STELE_FRAME_CODEC_WHOLE, stele_view_buf(&sealed),
                                   raw_bytes, 3, &raw, &read, &err),
                  CORRUPT);
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame__whatever_is_said_to_be_opaque_it_opens),
        cmocka_unit_test(test_frame__the_largest_and_the_smallest_open),
        cmocka_unit_test(test_frame__opaque_bytes_stand_apart_unless_they_occur_twice),
        cmocka_unit_test(test_frame__lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(test_frame__what_the_format_says_opens),
        cmocka_unit_test(test_frame__codec_1_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
