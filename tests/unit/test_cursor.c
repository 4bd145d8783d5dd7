/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/cmocka.h"

static struct stele_reader reader_of(const char *bytes, size_t size) {
    return stele_reader_of(stele_view_of(bytes, size), "test bytes");
}

static void test_cursor__integers_are_big_endian(void **state) {
    (void)state;
    stele_buf buf = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&buf);
    stele_write_u8(&w, 0x01);
    stele_write_u16(&w, 0x0203);
    stele_write_u32(&w, 0x04050607);
    stele_write_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    assert_ok(stele_writer_end(&w, NULL));
    assert_int_equal(buf.size, 15);
    for (size_t i = 0; i < buf.size; i++) {
        assert_int_equal(buf.data[i], i + 1);
    }
    struct stele_reader r = stele_reader_of(stele_view_buf(&buf), "test bytes");
    uint8_t a = 0;
    uint16_t b = 0;
    uint32_t c = 0;
    uint64_t d = 0;
    assert_ok(stele_read_u8(&r, &a, NULL));
    assert_ok(stele_read_u16(&r, &b, NULL));
    assert_int_equal(stele_reader_offset(&r), 3);
    assert_ok(stele_read_u32(&r, &c, NULL));
    assert_ok(stele_read_u64(&r, &d, NULL));
    assert_true(a == 1 && b == 0x0203 && c == 0x04050607 && d == UINT64_C(0x08090a0b0c0d0e0f));
    assert_ok(stele_reader_end(&r, NULL));
    stele_buf_done(&buf);
}

static void test_cursor__plain_stores_agree_with_the_cursor(void **state) {
    (void)state;
    uint8_t bytes[8];
    stele_put_u16(bytes, 0xfedc);
    assert_int_equal(stele_get_u16(bytes), 0xfedc);
    stele_put_u32(bytes, 0xfedcba98);
    assert_true(stele_get_u32(bytes) == 0xfedcba98 && bytes[0] == 0xfe);
    stele_put_u64(bytes, UINT64_MAX - 1);
    assert_true(stele_get_u64(bytes) == UINT64_MAX - 1 && bytes[7] == 0xfe);
}

static void test_cursor__a_read_that_does_not_fit_moves_nothing(void **state) {
    (void)state;
    struct stele_reader r = reader_of("\x01\x02\x03", 3);
    uint32_t u32 = 99;
    uint64_t u64 = 99;
    uint8_t out[4] = {9, 9, 9, 9};
    stele_view view = {NULL, 0};
    stele_err err;
    assert_status(stele_read_u32(&r, &u32, &err), INVALID);
    assert_non_null(strstr(err.text, "test bytes"));
    assert_status(stele_read_u64(&r, &u64, NULL), INVALID);
    assert_status(stele_read_bytes(&r, out, 4, NULL), INVALID);
    assert_status(stele_read_view(&r, SIZE_MAX, &view, NULL), INVALID);
    assert_status(stele_read_lp(&r, &view, NULL), INVALID);
    assert_status(stele_read_expect(&r, stele_view_str("\x01\x03"), NULL), INVALID);
    assert_true(u32 == 99 && u64 == 99 && out[0] == 9 && view.data == NULL);
    assert_int_equal(stele_reader_left(&r), 3);
    assert_status(stele_reader_end(&r, &err), INVALID);
    assert_ok(stele_read_expect(&r, stele_view_str("\x01\x02"), NULL));
    assert_int_equal(stele_reader_left(&r), 1);
}

static void test_cursor__an_empty_reader_is_at_its_end(void **state) {
    (void)state;
    struct stele_reader r = stele_reader_of(stele_view_of(NULL, 0), "nothing");
    uint8_t byte = 0;
    stele_view view;
    assert_ok(stele_reader_end(&r, NULL));
    assert_ok(stele_read_view(&r, 0, &view, NULL));
    assert_ok(stele_read_bytes(&r, NULL, 0, NULL));
    assert_status(stele_read_u8(&r, &byte, NULL), INVALID);
}

static void test_cursor__lp_is_a_u16_length_and_the_bytes(void **state) {
    (void)state;
    stele_buf buf = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&buf);
    stele_write_lp(&w, stele_view_str("abc"));
    stele_write_lp(&w, stele_view_of(NULL, 0));
    assert_ok(stele_writer_end(&w, NULL));
    assert_int_equal(buf.size, 7);
    assert_memory_equal(buf.data, "\0\3abc\0\0", 7);
    struct stele_reader r = stele_reader_of(stele_view_buf(&buf), "lp");
    stele_view view;
    assert_ok(stele_read_lp(&r, &view, NULL));
    assert_true(stele_view_is(view, "abc"));
    assert_ok(stele_read_lp(&r, &view, NULL));
    assert_int_equal(view.size, 0);
    stele_buf_done(&buf);
}

static void test_cursor__a_failed_write_sticks(void **state) {
    (void)state;
    stele_buf buf = STELE_BUF_EMPTY;
    uint8_t *big = stele_alloc(65536, 1);
    assert_non_null(big);
    struct stele_writer w = stele_writer_to(&buf);
    stele_write_u8(&w, 1);
    stele_write_lp(&w, stele_view_of(big, 65535));
    assert_ok(stele_writer_end(&w, NULL));
    stele_write_lp(&w, stele_view_of(big, 65536));
    size_t size = buf.size;
    stele_write_u64(&w, 1);
    assert_int_equal(buf.size, size);
    assert_status(stele_writer_end(&w, NULL), NO_MEMORY);
    stele_free(big);
    stele_buf_done(&buf);
}

static void test_cursor__varints_go_there_and_back(void **state) {
    (void)state;
    static const uint64_t values[] = {
        0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX};
    static const size_t sizes[] = {1, 1, 1, 2, 2, 3, 5, 9, 10, 10};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        stele_buf buf = STELE_BUF_EMPTY;
        struct stele_writer w = stele_writer_to(&buf);
        stele_write_varint(&w, values[i]);
        assert_ok(stele_writer_end(&w, NULL));
        assert_int_equal(buf.size, sizes[i]);
        for (size_t cut = 0; cut < buf.size; cut++) {
            uint64_t value = 0;
            struct stele_reader r = stele_reader_of(stele_view_of(buf.data, cut), "cut varint");
            assert_status(stele_read_varint(&r, &value, NULL), INVALID);
            assert_int_equal(stele_reader_offset(&r), 0);
        }
        uint64_t value = 0;
        struct stele_reader r = stele_reader_of(stele_view_buf(&buf), "varint");
        assert_ok(stele_read_varint(&r, &value, NULL));
        assert_true(value == values[i]);
        assert_ok(stele_reader_end(&r, NULL));
        stele_buf_done(&buf);
    }
}

static void test_cursor__other_forms_of_a_varint_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x80\x00", 2},                                      /* 0 in two bytes */
        {"\xff\x80\x00", 3},                                  /* 127 in three */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},     /* bit 64 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* eleven bytes */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10},     /* 0 in ten */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t value = 99;
        struct stele_reader r = reader_of(bad[i].bytes, bad[i].size);
        assert_status(stele_read_varint(&r, &value, NULL), INVALID);
        assert_true(value == 99);
        assert_int_equal(stele_reader_offset(&r), 0);
    }
}

static void test_cursor__stored_bytes_that_do_not_parse_are_corrupt(void **state) {
    (void)state;
    stele_err err;
    stele_status st = STELE_FAIL(&err, INVALID, "as it was");
    assert_int_equal(stele_corrupt(st, &err), STELE_CORRUPT);
    assert_int_equal(err.status, STELE_CORRUPT);
    assert_string_equal(err.text, "as it was");
    assert_int_equal(stele_corrupt(STELE_LIMIT, NULL), STELE_CORRUPT);
    assert_int_equal(stele_corrupt(STELE_UNSUPPORTED, NULL), STELE_CORRUPT);
    assert_int_equal(stele_corrupt(STELE_OK, NULL), STELE_OK);
    assert_int_equal(stele_corrupt(STELE_NO_MEMORY, NULL), STELE_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cursor__integers_are_big_endian),
        cmocka_unit_test(test_cursor__plain_stores_agree_with_the_cursor),
        cmocka_unit_test(test_cursor__a_read_that_does_not_fit_moves_nothing),
        cmocka_unit_test(test_cursor__an_empty_reader_is_at_its_end),
        cmocka_unit_test(test_cursor__lp_is_a_u16_length_and_the_bytes),
        cmocka_unit_test(test_cursor__a_failed_write_sticks),
        cmocka_unit_test(test_cursor__varints_go_there_and_back),
        cmocka_unit_test(test_cursor__other_forms_of_a_varint_are_refused),
        cmocka_unit_test(test_cursor__stored_bytes_that_do_not_parse_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
