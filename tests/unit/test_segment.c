/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_segment.c: what a segment refuses, and that no damaged byte becomes another
 * answer. That whole segments answer rightly is tests/unit/test_segment_property.c.
 */
#include "storage/segment.h"

#include <stdlib.h>
#include <string.h>

#include "storage/segment_format.h"
#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"
#include "tests/support/rng.h"

#define LO 1000u
#define SPAN 30000u

/* One popular key over two blocks, some of a few postings, some of one: about 24 KB in two blocks.
 */
static struct stele_posting *some_postings(size_t *ret_n) {
    enum { POPULAR = 17000, OTHERS = 300 };
    struct stele_posting *p = calloc(POPULAR + OTHERS, sizeof *p);
    struct rng rng = {5};
    assert_non_null(p);
    for (uint32_t i = 0; i < POPULAR; i++) {
        memset(p[i].tag, 0x60, STELE_TAG_BYTES);
        p[i].offset = i + i / 2;
    }
    for (size_t i = POPULAR; i < POPULAR + OTHERS; i++) {
        struct rng name = {rng_below(&rng, OTHERS)};
        rng_bytes(&name, p[i].tag, STELE_TAG_BYTES);
        p[i].offset = (uint32_t)i;
    }
    struct stele_posting *scratch = calloc(POPULAR + OTHERS, sizeof *p);
    assert_non_null(scratch);
    stele_postings_sort(p, POPULAR + OTHERS, scratch);
    free(scratch);
    *ret_n = POPULAR + OTHERS;
    return p;
}

static stele_buf small_segment(void) {
    size_t n = 0;
    struct stele_posting *p = some_postings(&n);
    struct stele_segment_info info = test_segment_info(LO, LO + SPAN);
    stele_buf bytes = STELE_BUF_EMPTY;
    assert_ok(test_segment_write(&info, p, n, &bytes, NULL));
    free(p);
    return bytes;
}

static stele_status open_bytes(stele_buf *bytes, struct stele_segment **ret, stele_err *err) {
    return stele_segment_open(memory_read_at, bytes, bytes->size, ret, err);
}

/* Hash of every posting of a walk; a failure is passed on. */
static stele_status walk_hash(struct stele_segment *s, uint8_t out[STELE_AT_LEAST(32)],
                              stele_err *err) {
    struct stele_segment_walker *walker = NULL;
    struct stele_sha256 h;
    struct {
        uint64_t seq;
        uint8_t tag[STELE_TAG_BYTES];
    } posting;
    stele_sha256_init(&h);
    stele_status st = stele_segment_walk(s, &walker, err);
    while (st == STELE_OK) {
        st = stele_segment_walk_next(walker, posting.tag, &posting.seq, err);
        if (st == STELE_OK) {
            stele_sha256_update(&h, stele_view_of(&posting, sizeof posting));
        }
    }
    stele_segment_walk_free(walker);
    stele_sha256_final(&h, out);
    return st == STELE_END ? STELE_OK : st;
}

/* One key's count, and the seqs from its middle on. */
static stele_status key_hash(struct stele_segment *s, uint8_t first_byte,
                             uint8_t out[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_posting_cursor *c = NULL;
    struct stele_sha256 h;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t value = 0;
    stele_sha256_init(&h);
    memset(tag, first_byte, sizeof tag);
    stele_status st = stele_segment_count(s, tag, &value, err);
    stele_sha256_update(&h, stele_view_of(&value, sizeof value));
    if (st == STELE_OK) {
        st = stele_segment_find(s, tag, &c, &value, err);
    }
    if (st == STELE_OK) {
        stele_sha256_update(&h, stele_view_of(&value, sizeof value));
        st = stele_posting_seek(c, LO + SPAN / 2, err);
    }
    for (unsigned i = 0; st == STELE_OK && i < 10; i++) {
        st = stele_posting_next(c, &value, err);
        stele_sha256_update(&h, stele_view_of(&value, sizeof value));
    }
    stele_posting_cursor_free(c);
    stele_sha256_final(&h, out);
    return st == STELE_END ? STELE_OK : st;
}

struct answers {
    uint8_t walk[STELE_HASH_BYTES], popular[STELE_HASH_BYTES], absent[STELE_HASH_BYTES];
    struct stele_segment_info info;
};

/* Every question this test knows. */
static stele_status ask(stele_buf *bytes, struct answers *ret, stele_err *err) {
    struct stele_segment *s = NULL;
    stele_status st = open_bytes(bytes, &s, err);
    if (st != STELE_OK) {
        return st;
    }
    memset(ret, 0, sizeof *ret);
    ret->info = *stele_segment_info_of(s);
    stele_status by_walk = walk_hash(s, ret->walk, err);
    stele_status by_popular = key_hash(s, 0x60, ret->popular, err);
    stele_status by_absent = key_hash(s, 0x61, ret->absent, err);
    stele_segment_close(s);
    st = by_walk != STELE_OK ? by_walk : by_popular;
    return st != STELE_OK ? st : by_absent;
}

static void test_segment__a_damaged_byte_is_corrupt_or_changes_no_answer(void **unused) {
    (void)unused;
    stele_buf bytes = small_segment();
    struct answers whole;
    struct answers damaged;
    size_t harmless = 0;
    assert_ok(ask(&bytes, &whole, NULL));
    size_t index_at =
        bytes.size - STELE_SEGMENT__FOOTER_BYTES - 2 * STELE_SEGMENT__INDEX_ENTRY_BYTES;
    for (size_t i = 0; i < bytes.size; i++) {
        /* Every bit of index and footer, one of each byte of the blocks. */
        for (unsigned bit = i < index_at ? i % 8 : 0; bit < (i < index_at ? i % 8 + 1 : 8); bit++) {
            bytes.data[i] ^= (uint8_t)(1u << bit);
            stele_err err = {0};
            stele_status st = ask(&bytes, &damaged, &err);
            if (st == STELE_OK) {
                assert_memory_equal(&damaged, &whole, sizeof whole);
                harmless++;
            } else {
                assert_status(st, CORRUPT);
                assert_true(err.text[0] != '\0');
            }
            bytes.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(harmless == 0); /* in this format no byte is without a checksum */
    stele_buf_done(&bytes);
}

static void test_segment__any_other_length_is_corrupt(void **unused) {
    (void)unused;
    stele_buf bytes = small_segment();
    struct answers answers;
    size_t whole = bytes.size;
    for (bytes.size = 0; bytes.size < whole;
         bytes.size += bytes.size < 400 || bytes.size + 400 > whole ? 1 : 97) {
        assert_status(ask(&bytes, &answers, NULL), CORRUPT);
    }
    bytes.size = whole;
    assert_ok(ask(&bytes, &answers, NULL));
    assert_ok(stele_buf_append(&bytes, stele_view_str("x"), NULL));
    assert_status(ask(&bytes, &answers, NULL), CORRUPT);
    /* A size that is not the blob's: what is missing is noticed, not read past. */
    struct stele_segment *s = NULL;
    assert_status(stele_segment_open(memory_read_at, &bytes, UINT64_MAX, &s, NULL), CORRUPT);
    assert_status(stele_segment_open(memory_read_at, &bytes, 0, &s, NULL), CORRUPT);
    assert_null(s);
    stele_buf_done(&bytes);
}

static void test_segment__a_block_in_anothers_place_is_corrupt(void **unused) {
    (void)unused;
    stele_buf bytes = small_segment();
    struct stele_segment *s = NULL;
    struct answers answers;
    assert_ok(open_bytes(&bytes, &s, NULL));
    size_t second = (size_t)stele_segment__block_at(s, 1);
    size_t size = (size_t)stele_segment__block_at(s, 2) - second;
    stele_segment_close(s);
    assert_true(size <= second);
    memcpy(bytes.data + second, bytes.data + second - size, size);
    assert_status(ask(&bytes, &answers, NULL), CORRUPT);
    stele_buf_done(&bytes);

    /* The same block of a segment that differs in one posting. */
    bytes = small_segment();
    size_t n = 0;
    struct stele_posting *p = some_postings(&n);
    p[0].offset++;
    stele_buf other = STELE_BUF_EMPTY;
    struct stele_segment_info info = test_segment_info(LO, LO + SPAN);
    assert_ok(test_segment_write(&info, p, n, &other, NULL));
    assert_true(other.size == bytes.size);
    memcpy(bytes.data, other.data, second);
    assert_status(ask(&bytes, &answers, NULL), CORRUPT);
    free(p);
    stele_buf_done(&other);
    stele_buf_done(&bytes);
}

/* ctx of watched_read: the segment's bytes, and the most that was asked for at once. */
struct watched {
    stele_buf bytes;
    size_t largest;
};

static stele_status watched_read(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                                 stele_err *err) {
    struct watched *w = ctx;
    w->largest = size > w->largest ? size : w->largest;
    return memory_read_at(&w->bytes, offset, size, out, err);
}

/* A footer with a right checksum that claims this. Nothing may be asked for but the footer. */
static void expect_footer_refused(const struct stele_segment__footer *claim) {
    struct watched w = {.bytes = small_segment()};
    struct stele_segment *s = NULL;
    stele_err err = {0};
    stele_segment__put_footer(claim, w.bytes.data + w.bytes.size - STELE_SEGMENT__FOOTER_BYTES);
    assert_status(stele_segment_open(watched_read, &w, w.bytes.size, &s, &err), CORRUPT);
    assert_true(err.text[0] != '\0');
    assert_true(w.largest == STELE_SEGMENT__FOOTER_BYTES);
    stele_buf_done(&w.bytes);
}

static void test_segment__impossible_footers_are_corrupt_before_anything_is_read(void **unused) {
    (void)unused;
    stele_buf bytes = small_segment();
    struct stele_segment__footer good;
    assert_ok(stele_segment__get_footer(bytes.data + bytes.size - STELE_SEGMENT__FOOTER_BYTES,
                                        bytes.size, &good, NULL));
    stele_buf_done(&bytes);
    const uint64_t huge[] = {UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 60, good.n_blocks + 1,
                             0};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        struct stele_segment__footer f = good;
        f.n_blocks = huge[i];
        expect_footer_refused(&f);
        f.index_at -= STELE_SEGMENT__INDEX_ENTRY_BYTES * (huge[i] - good.n_blocks); /* wraps */
        if (huge[i] != good.n_blocks + 1) {
            expect_footer_refused(&f);
        }
        f = good;
        f.index_at = huge[i] == 0 ? 0 : good.index_at + huge[i];
        expect_footer_refused(&f);
        f = good;
        f.info.n_postings = huge[i] == good.n_blocks + 1 ? good.info.n_keys - 1 : huge[i];
        expect_footer_refused(&f);
        f = good;
        f.info.n_keys = huge[i] == good.n_blocks + 1 ? good.info.n_postings + 1 : huge[i];
        expect_footer_refused(&f);
    }
    struct stele_segment__footer f = good;
    f.info.hi = f.info.lo;
    expect_footer_refused(&f);
    f = good;
    f.info.t_first = f.info.t_last + 1;
    expect_footer_refused(&f);
    f = good;
    f.info.late_first = f.info.late_last + 1;
    expect_footer_refused(&f);
}

static void test_segment__a_newer_version_is_unsupported_not_corrupt(void **unused) {
    (void)unused;
    for (size_t at = 8; at < STELE_SEGMENT__HEADER_BYTES; at++) {
        stele_buf bytes = small_segment();
        struct stele_segment *s = NULL;
        uint8_t *footer = bytes.data + bytes.size - STELE_SEGMENT__FOOTER_BYTES;
        size_t sealed = STELE_SEGMENT__FOOTER_BYTES - STELE_HASH_BYTES;
        footer[at] ^= 0x40;
        stele_segment__sum(STELE_SEGMENT__SUM_FOOTER, 0, stele_view_of(footer, sealed),
                           footer + sealed);
        assert_status(open_bytes(&bytes, &s, NULL), UNSUPPORTED);
        stele_buf_done(&bytes);
    }
}

static void test_segment__an_empty_one_has_no_keys(void **unused) {
    (void)unused;
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_segment_info info = test_segment_info(LO, LO + SPAN);
    struct stele_segment *s = NULL;
    struct stele_posting_cursor *c = NULL;
    uint8_t tag[STELE_TAG_BYTES] = {0};
    uint64_t count = 9;
    info.late_first = UINT64_MAX;
    info.late_last = 0;
    assert_ok(test_segment_write(&info, NULL, 0, &bytes, NULL));
    assert_ok(open_bytes(&bytes, &s, NULL));
    assert_true(stele_segment_info_of(s)->n_keys == 0 && stele_segment_info_of(s)->n_postings == 0);
    assert_status(stele_segment_find(s, tag, &c, &count, NULL), END);
    assert_ok(stele_segment_count(s, tag, &count, NULL));
    assert_true(count == 0);
    stele_segment_close(s);
    stele_buf_done(&bytes);
}

static void test_segment__a_writer_refuses_postings_out_of_order_or_range(void **unused) {
    (void)unused;
    static const struct {
        uint8_t tag;
        uint64_t seq;
        stele_status expected;
    } step[] = {
        {5, LO + 3, STELE_OK},      {5, LO + 3, STELE_BUG},       {5, LO + 2, STELE_BUG},
        {4, LO + 9, STELE_BUG},     {5, LO - 1, STELE_BUG},       {5, LO + SPAN, STELE_BUG},
        {5, UINT64_MAX, STELE_BUG}, {5, LO + SPAN - 1, STELE_OK}, {6, LO, STELE_OK},
    };
    struct stele_segment_info info = test_segment_info(LO, LO + SPAN);
    struct stele_segment_writer *w = NULL;
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t tag[STELE_TAG_BYTES] = {0};
    assert_ok(stele_segment_writer_new(&info, memory_write, &bytes, &w, NULL));
    for (size_t i = 0; i < sizeof step / sizeof step[0]; i++) {
        tag[15] = step[i].tag;
        assert_int_equal(stele_segment_writer_add(w, tag, step[i].seq, NULL), step[i].expected);
    }
    assert_ok(stele_segment_writer_end(w, NULL));
    assert_status(stele_segment_writer_end(w, NULL), BUG);
    assert_status(stele_segment_writer_add(w, tag, LO + 1, NULL), BUG);
    stele_segment_writer_free(w);
    struct stele_segment *s = NULL;
    assert_ok(open_bytes(&bytes, &s, NULL));
    assert_true(stele_segment_info_of(s)->n_postings == 3 && stele_segment_info_of(s)->n_keys == 2);
    stele_segment_close(s);
    stele_buf_done(&bytes);

    w = NULL;
    info.hi = info.lo;
    assert_status(stele_segment_writer_new(&info, memory_write, &bytes, &w, NULL), INVALID);
    assert_null(w);
}

/* ctx of the failing sinks and sources: how many calls still succeed. */
struct failing {
    stele_buf bytes;
    unsigned calls_left;
};

static stele_status failing_write(void *ctx, stele_view bytes, stele_err *err) {
    struct failing *f = ctx;
    return f->calls_left-- == 0 ? STELE_FAIL(err, NO_SPACE, "full")
                                : memory_write(&f->bytes, bytes, err);
}

static stele_status failing_read(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                                 stele_err *err) {
    struct failing *f = ctx;
    return f->calls_left-- == 0 ? STELE_FAIL(err, IO, "unplugged")
                                : memory_read_at(&f->bytes, offset, size, out, err);
}

static void test_segment__failures_of_sink_and_source_are_passed_on(void **unused) {
    (void)unused;
    size_t n = 0;
    struct stele_posting *p = some_postings(&n);
    struct stele_segment_info info = test_segment_info(LO, LO + SPAN);
    for (unsigned calls = 0; calls < 4; calls++) {
        struct failing sink = {.bytes = STELE_BUF_EMPTY, .calls_left = calls};
        struct stele_segment_writer *w = NULL;
        stele_status st = stele_segment_writer_new(&info, failing_write, &sink, &w, NULL);
        for (size_t i = 0; st == STELE_OK && i < n; i++) {
            st = stele_segment_writer_add(w, p[i].tag, LO + p[i].offset, NULL);
        }
        assert_status(st == STELE_OK ? stele_segment_writer_end(w, NULL) : st, NO_SPACE);
        assert_status(stele_segment_writer_end(w, NULL),
                      BUG); /* a stream with a hole is not ended */
        stele_segment_writer_free(w);
        stele_buf_done(&sink.bytes);
    }
    free(p);
    struct failing source = {.bytes = small_segment(), .calls_left = 0};
    struct stele_segment *s = NULL;
    struct stele_posting_cursor *c = NULL;
    uint8_t tag[STELE_TAG_BYTES];
    uint8_t hash[STELE_HASH_BYTES];
    uint64_t value = 0;
    memset(tag, 0x60, sizeof tag);
    for (unsigned calls = 0; calls < 2; calls++) {
        source.calls_left = calls;
        assert_status(stele_segment_open(failing_read, &source, source.bytes.size, &s, NULL), IO);
    }
    source.calls_left = 3;
    assert_ok(stele_segment_open(failing_read, &source, source.bytes.size, &s, NULL));
    assert_ok(stele_segment_find(s, tag, &c, &value, NULL));
    assert_status(stele_posting_seek(c, LO + SPAN, NULL), IO);
    source.calls_left = 100;
    assert_status(stele_posting_next(c, &value, NULL), IO); /* a cursor that failed stays so */
    stele_posting_cursor_free(c);
    source.calls_left = 0;
    assert_status(stele_segment_count(s, tag, &value, NULL), IO);
    source.calls_left = 0;
    assert_status(walk_hash(s, hash, NULL), IO);
    stele_segment_close(s);
    stele_buf_done(&source.bytes);
}

static void test_segment__only_adjacent_parts_of_one_era_merge(void **unused) {
    (void)unused;
    struct stele_segment_info info[2] = {test_segment_info(0, 10), test_segment_info(10, 30)};
    struct stele_posting p[2] = {{.tag = {1}, .offset = 4}, {.tag = {2}, .offset = 1}};
    struct stele_segment *s[STELE_SEGMENT_FANIN_MAX + 1];
    for (unsigned change = 0; change < 7; change++) {
        struct stele_segment_info changed[2] = {info[0], info[1]};
        changed[1].lo += change == 1;
        changed[1].era += change == 2;
        changed[1].map_version = (uint16_t)(changed[1].map_version + (change == 3));
        changed[1].tag_alg = (uint16_t)(changed[1].tag_alg + (change == 4));
        changed[1].tag_key_commit[31] ^= change == 5;
        changed[1].t_last = change == 6 ? 3 : changed[1].t_last;
        changed[1].t_first = change == 6 ? 2 : changed[1].t_first;
        stele_buf bytes[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
        stele_buf merged = STELE_BUF_EMPTY;
        for (size_t i = 0; i < 2; i++) {
            assert_ok(test_segment_write(&changed[i], p, 2, &bytes[i], NULL));
            assert_ok(open_bytes(&bytes[i], &s[i], NULL));
        }
        stele_status st = stele_segment_merge(s, 2, memory_write, &merged, NULL);
        if (change == 0) {
            assert_ok(st);
            struct stele_segment *m = NULL;
            assert_ok(open_bytes(&merged, &m, NULL));
            const struct stele_segment_info *got = stele_segment_info_of(m);
            assert_true(got->lo == 0 && got->hi == 30 && got->n_keys == 2 && got->n_postings == 4);
            assert_true(got->t_first == info[0].t_first && got->t_last == info[1].t_last);
            assert_true(got->late_first == info[0].late_first &&
                        got->late_last == info[1].late_last);
            stele_segment_close(m);
        } else {
            assert_status(st, INVALID);
            assert_true(merged.size == 0);
        }
        for (size_t i = 0; i < 2; i++) {
            stele_segment_close(s[i]);
            stele_buf_done(&bytes[i]);
        }
        stele_buf_done(&merged);
    }
    assert_status(stele_segment_merge(s, 0, memory_write, NULL, NULL), INVALID);
    assert_status(stele_segment_merge(s, STELE_SEGMENT_FANIN_MAX + 1, memory_write, NULL, NULL),
                  INVALID);
}

/* Without late events an end of the range must not leak into the merged one. */
static void test_segment__parts_without_late_events_merge_to_none(void **unused) {
    (void)unused;
    struct stele_segment *s[3];
    stele_buf bytes[3];
    for (uint64_t i = 0; i < 3; i++) {
        struct stele_segment_info info = test_segment_info(i * 10, i * 10 + 10);
        info.late_first = i == 1 ? 77 : UINT64_MAX;
        info.late_last = i == 1 ? 78 : 0;
        bytes[i] = STELE_BUF_EMPTY;
        assert_ok(test_segment_write(&info, NULL, 0, &bytes[i], NULL));
        assert_ok(open_bytes(&bytes[i], &s[i], NULL));
    }
    for (size_t n = 1; n <= 3; n++) {
        stele_buf merged = STELE_BUF_EMPTY;
        struct stele_segment *m = NULL;
        assert_ok(stele_segment_merge(s, n, memory_write, &merged, NULL));
        assert_ok(open_bytes(&merged, &m, NULL));
        assert_true(stele_segment_info_of(m)->late_first == (n == 1 ? UINT64_MAX : 77));
        assert_true(stele_segment_info_of(m)->late_last == (n == 1 ? 0 : 78));
        stele_segment_close(m);
        stele_buf_done(&merged);
    }
    for (size_t i = 0; i < 3; i++) {
        stele_segment_close(s[i]);
        stele_buf_done(&bytes[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment__a_damaged_byte_is_corrupt_or_changes_no_answer),
        cmocka_unit_test(test_segment__any_other_length_is_corrupt),
        cmocka_unit_test(test_segment__a_block_in_anothers_place_is_corrupt),
        cmocka_unit_test(test_segment__impossible_footers_are_corrupt_before_anything_is_read),
        cmocka_unit_test(test_segment__a_newer_version_is_unsupported_not_corrupt),
        cmocka_unit_test(test_segment__an_empty_one_has_no_keys),
        cmocka_unit_test(test_segment__a_writer_refuses_postings_out_of_order_or_range),
        cmocka_unit_test(test_segment__failures_of_sink_and_source_are_passed_on),
        cmocka_unit_test(test_segment__only_adjacent_parts_of_one_era_merge),
        cmocka_unit_test(test_segment__parts_without_late_events_merge_to_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
