/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_segment_forged.c: segments with right checksums and a wrong structure. Such a
 * file needs a bug of ours or a forger; it must be CORRUPT, not a crash and not an answer.
 *
 * The one they all start from has three tiny blocks, as no writer would cut them:
 *
 *   byte   0  header    16  tag 33..: 9                34  tag 77..: 1, 6
 *         53            53  tag 77..: 20, 21, 27       (goes on)
 *         73            73  tag 77..: 70               (goes on)      91  tag 77..7a: 33
 *         94  index entries at 94, 146 and 198         250  footer
 */
#include "storage/cursor.h"
#include "storage/segment_format.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"

#define BLOCK_1 53u
#define BLOCK_2 73u
#define INDEX 94u
#define ENTRY_1 (INDEX + STELE_SEGMENT__INDEX_ENTRY_BYTES)
#define ENTRY_2 (ENTRY_1 + STELE_SEGMENT__INDEX_ENTRY_BYTES)
#define FOOTER (ENTRY_2 + STELE_SEGMENT__INDEX_ENTRY_BYTES)
#define SIZE (FOOTER + STELE_SEGMENT__FOOTER_BYTES)

static void put_record(uint8_t *at, uint8_t n, uint8_t tag, uint8_t a, uint8_t b, uint8_t c) {
    const uint8_t posting[3] = {a, b, c};
    at[0] = n;
    memset(at + 1, tag, STELE_TAG_BYTES);
    memcpy(at + 1 + STELE_TAG_BYTES, posting, n);
}

static void put_entry(uint8_t *at, uint8_t tag, uint64_t first, uint64_t block_at,
                      uint32_t continued) {
    struct stele_segment__index_entry entry = {
        .first = first, .at = block_at, .continued = continued};
    memset(entry.tag, tag, sizeof entry.tag);
    stele_segment__put_index_entry(&entry, at);
}

static void forge(uint8_t out[STELE_AT_LEAST(SIZE)]) {
    struct stele_segment__footer footer = {.info = test_segment_info(1000, 1100), .n_blocks = 3};
    footer.info.n_keys = 3;
    footer.info.n_postings = 8;
    stele_segment__put_header(out);
    put_record(out + 16, 1, 0x33, 9, 0, 0);
    put_record(out + 34, 2, 0x77, 1, 4, 0);
    put_record(out + BLOCK_1, 3, 0x77, 20, 0, 5);
    put_record(out + BLOCK_2, 1, 0x77, 70, 0, 0);
    memcpy(out + 91, (const uint8_t[]){0xf1, 0x7a, 33}, 3);
    put_entry(out + INDEX, 0x33, 9, 0, 0);
    put_entry(out + ENTRY_1, 0x77, 20, BLOCK_1, 3);
    put_entry(out + ENTRY_2, 0x77, 70, BLOCK_2, 1);
    stele_segment__put_footer(&footer, out + FOOTER);
    test_segment_reseal(out, SIZE);
}

static stele_status read_key(struct stele_segment *s, uint8_t byte, uint64_t expected,
                             stele_err *err) {
    struct stele_posting_cursor *c = NULL;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t count = 0;
    uint64_t read = 0;
    uint64_t seq = 0;
    memset(tag, byte, sizeof tag);
    stele_status st = stele_segment_find(s, tag, &c, &count, err);
    while (st == STELE_OK) {
        st = stele_posting_next(c, &seq, err);
        read += st == STELE_OK;
    }
    stele_posting_cursor_free(c);
    if (st == STELE_END) {
        assert_true(read == count && count == expected);
    }
    return st == STELE_END ? STELE_OK : st;
}

static stele_status walk(struct stele_segment *s, stele_err *err) {
    struct stele_segment_walker *walker = NULL;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq = 0;
    stele_status st = stele_segment_walk(s, &walker, err);
    while (st == STELE_OK) {
        st = stele_segment_walk_next(walker, tag, &seq, err);
    }
    stele_segment_walk_free(walker);
    return st == STELE_END ? STELE_OK : st;
}

/* What a merge says of the same bytes: it reads records, and takes their postings as they are. */
static stele_status merge(struct stele_segment *s) {
    stele_buf out = STELE_BUF_EMPTY;
    stele_status st = stele_segment_merge(&s, 1, memory_write, &out, NULL);
    stele_buf_done(&out);
    return st;
}

/* Opens, walks and merges; `walks` says whether that must be all right or CORRUPT. */
static void expect_walk(uint8_t *bytes, size_t size, bool walks) {
    stele_buf buf = {bytes, size, size};
    struct stele_segment *s = NULL;
    stele_err err = {0};
    stele_status st = stele_segment_open(memory_read_at, &buf, size, &s, &err);
    if (st == STELE_OK) {
        st = walk(s, &err);
        assert_int_equal(merge(s), st);
    }
    if (walks) {
        assert_ok(st);
        assert_ok(read_key(s, 0x33, 1, &err));
        assert_ok(read_key(s, 0x77, 6, &err));
        assert_ok(read_key(s, 0x40, 0, &err));
    } else {
        assert_status(st, CORRUPT);
        assert_true(err.text[0] != '\0');
    }
    stele_segment_close(s);
}

static void test_segment__forged_structure_is_corrupt(void **unused) {
    (void)unused;
    static const struct {
        size_t at;
        uint8_t value;
        const char *why;
    } patch[] = {
        {0, 'X', "header"},
        {ENTRY_1 + 51, 0, "a key goes on unannounced"},
        {ENTRY_1 + 51, 2, "continued is not the record's count"},
        {ENTRY_2 + 51, 0, "two blocks begin with one key that does not go on"},
        {INDEX + 51, 1, "block 0 goes on with nothing"},
        {ENTRY_1 + 39, 21, "first posting is not the block's"},
        {ENTRY_2 + 39, 15, "first postings fall"},
        {ENTRY_2 + 39, 200, "first posting is outside the segment"},
        {ENTRY_2, 0x76, "tags of blocks fall"},
        {ENTRY_1 + 47, BLOCK_2, "block 1 is empty"},
        {ENTRY_1 + 47, BLOCK_2 + 1, "block 1 ends before it begins"},
        {ENTRY_2 + 47, 200, "block 2 begins behind the index"},
        {INDEX + 47, 1, "block 0 does not begin at 0"},
        {52, 30, "postings of a key fall over a border"},
        {51, 120, "posting outside the segment"},
        {93, 100, "posting at the segment's end"},
        {34, 3, "a posting is missing"},
        {34, 1, "a posting too many"},
        {34, 0x12, "shares more than it shows"},
        {34, 0, "long record without size"},
        {16, 0x11, "the first record shares"},
        {92, 0x77, "tags do not rise"},
        {92, 0x76, "tags fall"},
        {91, 0xe1, "shares less than it could"},
        {93, 0x80, "posting cut off"},
        {17, 0x34, "the tag is not the index's"},
        {FOOTER + 79, 2, "keys"},
        {FOOTER + 79, 4, "keys"},
        {FOOTER + 87, 7, "postings"},
        {FOOTER + 87, 9, "postings"},
    };
    uint8_t bytes[SIZE];
    forge(bytes);
    expect_walk(bytes, SIZE, true);
    for (size_t i = 0; i < sizeof patch / sizeof patch[0]; i++) {
        print_message("%s\n", patch[i].why);
        forge(bytes);
        assert_true(bytes[patch[i].at] != patch[i].value);
        bytes[patch[i].at] = patch[i].value;
        test_segment_reseal(bytes, SIZE);
        if (patch[i].at == 0) { /* which resealing has mended */
            bytes[0] = patch[i].value;
        }
        expect_walk(bytes, SIZE, false);
    }
}

static void test_segment__varints_have_one_form(void **unused) {
    (void)unused;
    uint8_t bytes[SIZE];
    forge(bytes);
    bytes[BLOCK_1] = 2; /* 20 and 5 are left, and the 0 between them lengthens the 20 */
    bytes[BLOCK_1 + 17] |= 0x80;
    bytes[ENTRY_1 + 51] = 2;
    bytes[FOOTER + 87] = 7;
    test_segment_reseal(bytes, SIZE);
    expect_walk(bytes, SIZE, false);
}

/* The index names a key that goes on from block 0, where it is not. A cursor must not skip its
 * beginning. */
static void test_segment__a_key_that_continues_must_begin(void **unused) {
    (void)unused;
    uint8_t bytes[SIZE];
    stele_buf buf = {bytes, SIZE, SIZE};
    struct stele_segment *s = NULL;
    forge(bytes);
    memset(bytes + BLOCK_1 + 1, 0x79, STELE_TAG_BYTES);
    memset(bytes + BLOCK_2 + 1, 0x79, STELE_TAG_BYTES);
    memset(bytes + ENTRY_1, 0x79, STELE_TAG_BYTES);
    memset(bytes + ENTRY_2, 0x79, STELE_TAG_BYTES);
    test_segment_reseal(bytes, SIZE);
    expect_walk(bytes, SIZE, false);
    assert_ok(stele_segment_open(memory_read_at, &buf, SIZE, &s, NULL));
    assert_status(read_key(s, 0x79, 0, NULL), CORRUPT);
    stele_segment_close(s);

    /* And postings that fall over a border are noticed by a cursor too. */
    forge(bytes);
    bytes[52] = 30;
    test_segment_reseal(bytes, SIZE);
    assert_ok(stele_segment_open(memory_read_at, &buf, SIZE, &s, NULL));
    assert_status(read_key(s, 0x77, 0, NULL), CORRUPT);
    stele_segment_close(s);
}

/* One block with one long record: these numbers, then n postings of a byte each; n_postings in the
 * footer. */
static void expect_record(size_t n, uint64_t more, uint64_t size, uint64_t n_postings,
                          stele_status expected) {
    static const uint8_t tag[STELE_TAG_BYTES];
    uint8_t fixed[STELE_SEGMENT__FOOTER_BYTES] = {0};
    struct stele_segment__footer footer = {.info = test_segment_info(0, 1000000), .n_blocks = 1};
    footer.info.n_keys = 1;
    footer.info.n_postings = n_postings;
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&bytes);
    stele_segment__put_header(fixed);
    stele_write_view(&w, stele_view_of(fixed, STELE_SEGMENT__HEADER_BYTES));
    stele_write_u8(&w, 0);
    stele_write_view(&w, stele_view_of(tag, sizeof tag));
    stele_write_varint(&w, more);
    stele_write_varint(&w, size);
    for (size_t i = 0; i < n; i++) {
        stele_write_u8(&w, 0);
    }
    put_entry(fixed, 0, 0, 0, 0);
    stele_write_view(&w, stele_view_of(fixed, STELE_SEGMENT__INDEX_ENTRY_BYTES));
    stele_segment__put_footer(&footer, fixed);
    stele_write_view(&w, stele_view_of(fixed, sizeof fixed));
    assert_ok(stele_writer_end(&w, NULL));
    test_segment_reseal(bytes.data, bytes.size);
    struct stele_segment *s = NULL;
    stele_status st = stele_segment_open(memory_read_at, &bytes, bytes.size, &s, NULL);
    if (st == STELE_OK) {
        st = walk(s, NULL);
        assert_int_equal(merge(s), st);
    }
    assert_int_equal(st, expected);
    stele_segment_close(s);
    stele_buf_done(&bytes);
}

/* Offsets of 64 bits, as only a forger's segment has: the second posting would be at 2^64. */
static void test_segment__postings_do_not_begin_again_at_0(void **unused) {
    (void)unused;
    uint8_t bytes[45 + STELE_SEGMENT__INDEX_ENTRY_BYTES + STELE_SEGMENT__FOOTER_BYTES];
    struct stele_segment__footer footer = {.info = test_segment_info(0, 1), .n_blocks = 1};
    footer.info.hi = UINT64_MAX;
    footer.info.n_keys = 1;
    footer.info.n_postings = 3;
    stele_segment__put_header(bytes);
    put_record(bytes + 16, 3, 0x77, 0, 0, 0);
    memset(bytes + 33, 0xff, 9);
    bytes[33] = 0xfe; /* 2^64 - 2 in ten bytes, then two gaps of 0 */
    memcpy(bytes + 42, (const uint8_t[]){1, 0, 0}, 3);
    put_entry(bytes + 45, 0x77, UINT64_MAX - 1, 0, 0);
    stele_segment__put_footer(&footer, bytes + 45 + STELE_SEGMENT__INDEX_ENTRY_BYTES);
    test_segment_reseal(bytes, sizeof bytes);
    stele_buf buf = {bytes, sizeof bytes, sizeof bytes};
    struct stele_segment *s = NULL;
    assert_ok(stele_segment_open(memory_read_at, &buf, sizeof bytes, &s, NULL));
    assert_status(walk(s, NULL), CORRUPT);
    assert_status(merge(s), CORRUPT);
    stele_segment_close(s);
}

static void expect_long(size_t n, uint64_t more, uint64_t size, stele_status expected) {
    expect_record(n, more, size, n > 0 ? n : 1, expected);
}

static void test_segment__a_long_record_says_its_own_size(void **unused) {
    (void)unused;
    expect_long(100, 84, 100, STELE_OK);
    expect_long(100, 85, 100, STELE_CORRUPT);
    expect_long(100, 83, 100, STELE_CORRUPT);
    expect_long(100, 84, 101, STELE_CORRUPT);
    expect_long(100, 84, 99, STELE_CORRUPT);
    expect_long(100, 84, 0, STELE_CORRUPT);
    expect_long(100, 84, UINT64_MAX, STELE_CORRUPT);
    expect_long(100, UINT64_MAX, 100, STELE_CORRUPT);
    expect_long(100, UINT64_MAX - 15, 100, STELE_CORRUPT);
    expect_long(0, 0, 0, STELE_CORRUPT);
}

/* All else being right: so many postings, and one too many for a block. */
static void test_segment__a_block_over_its_limit_is_corrupt(void **unused) {
    (void)unused;
    size_t most =
        STELE_SEGMENT__BLOCK_BYTES_MAX - STELE_SEGMENT__HEADER_BYTES - 1 - STELE_TAG_BYTES - 2 - 2;
    expect_long(most, most - STELE_SEGMENT__COUNT_LONG, most, STELE_OK);
    expect_long(most + 1, most + 1 - STELE_SEGMENT__COUNT_LONG, most + 1, STELE_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment__forged_structure_is_corrupt),
        cmocka_unit_test(test_segment__varints_have_one_form),
        cmocka_unit_test(test_segment__a_key_that_continues_must_begin),
        cmocka_unit_test(test_segment__a_long_record_says_its_own_size),
        cmocka_unit_test(test_segment__postings_do_not_begin_again_at_0),
        cmocka_unit_test(test_segment__a_block_over_its_limit_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
