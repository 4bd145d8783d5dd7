/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_record.c: records and items: both directions, every byte, and the frozen form. */
#include "storage/record.h"

#include <stdio.h>
#include <string.h>

#include "storage/boundaries.h"
#include "tests/support/golden_hex.h"

static void make_control(uint8_t bytes[STELE_ENTRY_BYTES_MAX], uint64_t seq) {
    struct stele_entry entry = {.type = STELE_ENTRY_CONTROL,
                                .era = 202511 * 100,
                                .seq = seq,
                                .time_us = UINT64_C(1763776800000000)};
    entry.as.control.kind = STELE_CONTROL_TENANTS;
    entry.as.control.prev = seq - 1;
    entry.as.control.n_state = 3;
    memset(entry.as.control.body_digest, 0xb0, STELE_HASH_BYTES);
    memset(entry.as.control.state_root, 0x5a, STELE_HASH_BYTES);
    assert_int_equal(stele_entry_encode(&entry, bytes), STELE_ENTRY_CONTROL_BYTES);
}

/* Two items: a control entry, and a frame with made-up sealed bytes and its keys seed. */
static void make_record(stele_buf *out, struct stele_record *record) {
    static const uint8_t sealed[] = "not really compressed";
    uint8_t entry[STELE_ENTRY_BYTES_MAX];
    uint8_t kseed[STELE_SEED_BYTES];
    stele_err err;
    memset(kseed, 0x6b, sizeof kseed);
    make_control(entry, 9);
    assert_ok(stele_record_begin(out, &err));
    struct stele_writer w = stele_writer_to(out);
    struct stele_item control = {.kind = STELE_ITEM_CONTROL,
                                 .n = 1,
                                 .first_seq = 9,
                                 .entry = stele_view_of(entry, STELE_ENTRY_CONTROL_BYTES),
                                 .body = stele_view_str("body")};
    struct stele_item frame = {.kind = STELE_ITEM_FRAME,
                               .n = 2,
                               .first_seq = 10,
                               .time_us = UINT64_C(1763776800000001),
                               .codec = STELE_FRAME_CODEC_WHOLE,
                               .raw_bytes = 600,
                               .sealed = stele_view_of(sealed, sizeof sealed - 1)};
    stele_item_write(&w, &control);
    stele_item_write(&w, &frame);
    stele_write_view(&w, stele_view_of(kseed, sizeof kseed));
    assert_ok(stele_writer_end(&w, &err));
    *record = (struct stele_record){.kind = STELE_RECORD_ENTRIES,
                                    .pos = 4,
                                    .epoch = 2,
                                    .first_seq = 9,
                                    .n_entries = 3,
                                    .n_items = 2};
    memset(record->prev, 0x11, STELE_HASH_BYTES);
    memset(record->root_after, 0x22, STELE_HASH_BYTES);
    assert_ok(stele_record_end(out, record, &err));
}

static void test_record__what_is_written_is_read(void **state) {
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_record written;
    struct stele_record read;
    struct stele_item item;
    stele_view kseed;
    stele_err err;
    (void)state;
    make_record(&bytes, &written);
    assert_ok(stele_record_decode(stele_view_buf(&bytes), &read, &err));
    assert_int_equal(read.kind, STELE_RECORD_ENTRIES);
    assert_int_equal(read.pos, 4);
    assert_int_equal(read.epoch, 2);
    assert_int_equal(read.first_seq, 9);
    assert_int_equal(read.n_entries, 3);
    assert_memory_equal(read.hash, written.hash, STELE_HASH_BYTES);
    struct stele_reader r = stele_reader_of(read.body, "record");
    assert_ok(stele_item_read(&r, &item, &err));
    assert_int_equal(item.kind, STELE_ITEM_CONTROL);
    assert_int_equal(item.first_seq, 9);
    assert_true(stele_view_is(item.body, "body"));
    assert_ok(stele_item_read(&r, &item, &err));
    assert_int_equal(item.kind, STELE_ITEM_FRAME);
    assert_int_equal(item.n, 2);
    assert_int_equal(item.first_seq, 10);
    assert_int_equal(item.raw_bytes, 600);
    assert_true(stele_view_is(item.sealed, "not really compressed"));
    assert_ok(stele_read_view(&r, STELE_SEED_BYTES, &kseed, &err));
    assert_int_equal(kseed.data[31], 0x6b);
    assert_ok(stele_reader_end(&r, &err));
    stele_buf_done(&bytes);
}

static void test_record__every_flipped_bit_and_every_cut_is_corrupt(void **state) {
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_record record;
    stele_err err;
    (void)state;
    make_record(&bytes, &record);
    for (size_t i = 0; i < bytes.size * 8; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_status(stele_record_decode(stele_view_buf(&bytes), &record, &err), CORRUPT);
        bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t size = 0; size < bytes.size; size++) {
        assert_status(stele_record_decode(stele_view_of(bytes.data, size), &record, &err), CORRUPT);
    }
    assert_ok(stele_record_decode(stele_view_buf(&bytes), &record, &err));
    stele_buf_done(&bytes);
}

/* Each row: a byte of the frame item, what it becomes, and that it is refused whatever the hash
 * says. */
static void test_record__an_item_no_version_writes_is_refused(void **state) {
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {{0, 0},  {0, 4}, {1, 0},     {1, 3},     {2, 0},
                {2, 17}, {3, 1}, {20, 0x7f}, {24, 0x7f}, {4, 0xff}};
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_err err;
    struct stele_item item;
    (void)state;
    struct stele_item frame = {.kind = STELE_ITEM_FRAME,
                               .n = 2,
                               .first_seq = 10,
                               .codec = STELE_FRAME_CODEC_WHOLE,
                               .raw_bytes = 600,
                               .sealed = stele_view_str("sealed")};
    struct stele_writer w = stele_writer_to(&bytes);
    stele_item_write(&w, &frame);
    assert_ok(stele_writer_end(&w, &err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stele_reader r = stele_reader_of(stele_view_buf(&bytes), "item");
        uint8_t old = bytes.data[rows[i].at];
        bytes.data[rows[i].at] = rows[i].value;
        stele_status st = stele_item_read(&r, &item, &err);
        /* A huge first_seq is a number like any other; whether it fits is the log's to say. */
        assert_string_equal(stele_status_name(st), rows[i].at == 4 ? "OK" : "INVALID");
        bytes.data[rows[i].at] = old;
    }
    stele_buf_done(&bytes);
}

static void test_record__a_body_over_its_bound_is_refused(void **state) {
    uint8_t entry[STELE_ENTRY_BYTES_MAX];
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf body = STELE_BUF_EMPTY;
    struct stele_item item;
    stele_err err;
    (void)state;
    struct stele_entry control = {.type = STELE_ENTRY_CONTROL, .seq = 7, .era = 202511 * 100};
    control.as.control.kind = STELE_CONTROL_TENANTS;
    control.as.control.n_state = 1;
    size_t size = stele_entry_encode(&control, entry);
    assert_ok(stele_buf_reserve(&body, STELE_CONTROL_BODY_MAX + 1, NULL));
    memset(body.data, 'x', STELE_CONTROL_BODY_MAX + 1);
    for (size_t over = 0; over < 2; over++) {
        struct stele_item written = {.kind = STELE_ITEM_CONTROL,
                                     .n = 1,
                                     .entry = stele_view_of(entry, size),
                                     .body =
                                         stele_view_of(body.data, STELE_CONTROL_BODY_MAX + over)};
        stele_buf_clear(&bytes);
        struct stele_writer w = stele_writer_to(&bytes);
        stele_item_write(&w, &written);
        assert_ok(stele_writer_end(&w, NULL));
        struct stele_reader r = stele_reader_of(stele_view_buf(&bytes), "item");
        stele_status st = stele_item_read(&r, &item, &err);
        assert_string_equal(stele_status_name(st), over == 0 ? "OK" : "INVALID");
    }
    stele_buf_done(&bytes);
    stele_buf_done(&body);
}

/* A frame of codec 2, as FORMAT.md's tables have it: what opens it is told in unit.frame. */
static void test_record__a_frame_has_a_digest_of_its_own(void **state) {
    char golden[GOLDEN_HEX_CHARS] = "";
    char text[2048];
    uint8_t bytes[1024];
    stele_buf written = STELE_BUF_EMPTY;
    struct stele_item item;
    stele_err err;
    (void)state;
    golden_hex("frame_item.hex", golden);
    size_t size = strlen(golden) / 2;
    assert_ok(stele_hex_decode(stele_view_str(golden), bytes, size, &err));
    struct stele_reader r = stele_reader_of(stele_view_of(bytes, size), "item");
    assert_ok(stele_item_read(&r, &item, &err));
    assert_ok(stele_reader_end(&r, &err));
    assert_int_equal(item.codec, STELE_FRAME_CODEC_APART);
    assert_ok(stele_item_check(&item, "eu-1/3y", &err));
    assert_status(stele_item_check(&item, "eu-1/5y", &err), CORRUPT); /* another log's */
    struct stele_writer w = stele_writer_to(&written);
    stele_item_write(&w, &item);
    assert_ok(stele_writer_end(&w, &err));
    stele_hex_encode(stele_view_buf(&written), text);
    assert_string_equal(text, golden);
    /* Whatever bit is another one, and wherever it is cut. */
    for (size_t i = 0; i < size * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        r = stele_reader_of(stele_view_of(bytes, size), "item");
        if (stele_item_read(&r, &item, &err) == STELE_OK && stele_reader_left(&r) == 0) {
            assert_status(stele_item_check(&item, "eu-1/3y", &err), CORRUPT);
        }
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t cut = 0; cut < size; cut++) {
        r = stele_reader_of(stele_view_of(bytes, cut), "item");
        assert_status(stele_item_read(&r, &item, &err), INVALID);
    }
    stele_buf_done(&written);
}

static void test_record__an_index_entry_carries_its_boundaries(void **state) {
    static const uint64_t ends[] = {4096, 4224, 70000};
    uint64_t read[3];
    uint8_t entry[STELE_ENTRY_BYTES_MAX];
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf list = STELE_BUF_EMPTY;
    struct stele_item item;
    char text[2048];
    char golden[GOLDEN_HEX_CHARS] = "";
    stele_err err;
    (void)state;
    struct stele_entry index = {
        .type = STELE_ENTRY_INDEX, .seq = 70001, .time_us = UINT64_C(1763776800000000)};
    index.as.index.n_segments = 3;
    index.as.index.covered = 70000;
    index.as.index.control = 65000;
    memset(index.as.index.manifest_root, 0x3c, STELE_HASH_BYTES);
    size_t size = stele_entry_encode(&index, entry);
    assert_ok(stele_boundaries_write(ends, 3, &list, &err));
    struct stele_item written = {.kind = STELE_ITEM_INDEX,
                                 .n = 1,
                                 .entry = stele_view_of(entry, size),
                                 .body = stele_view_buf(&list)};
    struct stele_writer w = stele_writer_to(&bytes);
    stele_item_write(&w, &written);
    assert_ok(stele_writer_end(&w, &err));
    stele_hex_encode(stele_view_buf(&bytes), text);
    golden_hex("index_item.hex", golden);
    assert_string_equal(text, golden);
    struct stele_reader r = stele_reader_of(stele_view_buf(&bytes), "item");
    assert_ok(stele_item_read(&r, &item, &err));
    assert_ok(stele_reader_end(&r, &err));
    assert_int_equal(item.kind, STELE_ITEM_INDEX);
    assert_int_equal(item.first_seq, 70001);
    assert_ok(stele_boundaries_read(item.body, &index.as.index, read, &err));
    assert_memory_equal(read, ends, sizeof ends);
    /* Every other list is refused: one byte more or less, another end, an empty segment, another
     * count. */
    for (size_t cut = 0; cut < list.size; cut++) {
        assert_status(
            stele_boundaries_read(stele_view_of(list.data, cut), &index.as.index, NULL, &err),
            INVALID);
    }
    index.as.index.covered = 70001;
    assert_status(stele_boundaries_read(item.body, &index.as.index, NULL, &err), INVALID);
    index.as.index.covered = 69999;
    assert_status(stele_boundaries_read(item.body, &index.as.index, NULL, &err), INVALID);
    index.as.index.covered = 70000;
    index.as.index.n_segments = 2;
    assert_status(stele_boundaries_read(item.body, &index.as.index, NULL, &err), INVALID);
    index.as.index.n_segments = 4;
    assert_status(stele_boundaries_read(stele_view_of("\x01\x00\x01\xef\xa2\x04", 6),
                                        &index.as.index, NULL, &err),
                  INVALID);
    index.as.index.n_segments = 5000;
    assert_status(stele_boundaries_read(item.body, &index.as.index, NULL, &err), INVALID);
    stele_buf_done(&bytes);
    stele_buf_done(&list);
}

static void test_record__the_form_is_frozen(void **state) {
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_record record;
    char text[2048];
    char golden[GOLDEN_HEX_CHARS] = "";
    (void)state;
    make_record(&bytes, &record);
    assert_true(bytes.size * 2 < sizeof text);
    stele_hex_encode(stele_view_buf(&bytes), text);
    golden_hex("record.hex", golden);
    assert_string_equal(text, golden);
    stele_buf_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record__what_is_written_is_read),
        cmocka_unit_test(test_record__every_flipped_bit_and_every_cut_is_corrupt),
        cmocka_unit_test(test_record__an_item_no_version_writes_is_refused),
        cmocka_unit_test(test_record__a_body_over_its_bound_is_refused),
        cmocka_unit_test(test_record__a_frame_has_a_digest_of_its_own),
        cmocka_unit_test(test_record__an_index_entry_carries_its_boundaries),
        cmocka_unit_test(test_record__the_form_is_frozen),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
