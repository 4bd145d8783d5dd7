/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_pack_forged.c: the blobs of a pack, changed in a closed store: every byte that a
 * digest covers, and, by who computes the digests again, fields that do not fit, hashes that are
 * not those of the entries, and another key. Opening, reading or fsck says what does not hold.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/fsck.h"
#include "storage/hash.h"
#include "storage/pack.h"
#include "storage/pack_format.h"
#include "storage/segment_format.h"
#include "tests/fault/batch_book.h"
#include "tests/support/engine_fault.h"

#define TRIES_MAX 2000
#define PACK_ENTRIES 256
#define SIDE_STRIDE 499 /* of the blobs' many like bytes, one in so many is flipped */

static struct fixture f;
static struct book book;

static int make_store(void **state) {
    stele_err err;
    (void)state;
    book.rng = rng_start("forged packs");
    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < 12; i++) {
        assert_ok(book_append(&book, &f, 40, &err));
    }
    /* Another month: all of this one is packed, and its tag key is needed by packs alone. */
    atomic_fetch_add(&f.now_us, UINT64_C(86400000000) * 31);
    assert_ok(book_append(&book, &f, 1, &err));
    fixture_wait_packed(&f, "3y");
    fixture_close(&f);
    return 0;
}

static int remove_store(void **state) {
    (void)state;
    fixture_done(&f);
    book_done(&book);
    return 0;
}

/* One file of the store, whole. */
struct file {
    char path[320];
    stele_buf bytes;
    stele_buf before;
};

static void write_file(const struct file *file, const stele_buf *bytes) {
    FILE *out = fopen(file->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size, out), bytes->size);
    assert_int_equal(fclose(out), 0);
}

static void load(struct file *file, const char *path) {
    *file = (struct file){.bytes = STELE_BUF_EMPTY};
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    uint8_t part[4096];
    size_t n = 0;
    while ((n = fread(part, 1, sizeof part, in)) > 0) {
        assert_ok(stele_buf_append(&file->bytes, stele_view_of(part, n), NULL));
    }
    (void)fclose(in);
    assert_ok(stele_buf_append(&file->before, stele_view_buf(&file->bytes), NULL));
}

/* A blob of the first pack of log 3y. */
static void load_blob(struct file *file, char kind) {
    char key[STELE_BLOB_KEY_MAX];
    char path[320];
    stele_pack_key("3y", kind, 0, PACK_ENTRIES, key);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", f.dir, key);
    load(file, path);
}

static void put_back(struct file *file) {
    write_file(file, &file->before);
    stele_buf_done(&file->bytes);
    stele_buf_done(&file->before);
}

/* Opens the store for reading and, with `whole`, checks all of it. */
static stele_status check(bool whole, stele_err *err) {
    struct stele_fsck_report report;
    stele_status st = fixture_try_open(&f, true, err);
    if (st == STELE_OK && whole) {
        st = stele_fsck(f.store, NULL, NULL, &report, err);
    }
    fixture_close(&f);
    return st;
}

static void expect_words(const char *what, stele_status st, const stele_err *err,
                         const char *words) {
    if (st != STELE_CORRUPT || strstr(err->text, words) == NULL) {
        fail_msg("%s: '%s' was expected: %s: %s", what, words, stele_status_name(st),
                 st == STELE_OK ? "nothing is noticed" : err->text);
    }
}

static void flip_each(struct file *file, size_t from, size_t to, size_t stride, bool whole) {
    stele_err err;
    for (size_t at = from; at < to; at += stride) {
        file->bytes.data[at] ^= 0x10;
        write_file(file, &file->bytes);
        stele_status st = check(whole, &err);
        if (st != STELE_CORRUPT) {
            fail_msg("%s: byte %zu: %s", file->path, at, stele_status_name(st));
        }
        file->bytes.data[at] ^= 0x10;
    }
}

static size_t pack_directory_at(const struct file *file) {
    return (size_t)stele_get_u64(file->bytes.data + file->bytes.size - PACK_FOOT_BYTES);
}

static void test_pack_forged__every_byte_that_describes_a_pack_counts(void **state) {
    struct file file;
    (void)state;
    load_blob(&file, 'p');
    size_t foot = file.bytes.size - PACK_FOOT_BYTES;
    size_t dir = pack_directory_at(&file);
    flip_each(&file, 0, PACK_HEAD_BYTES, 1, false);
    flip_each(&file, dir, foot, 31, false);
    flip_each(&file, foot, file.bytes.size, 1, false);
    put_back(&file);
}

static void test_pack_forged__every_byte_beside_a_pack_counts(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct file file;
        load_blob(&file, i == 0 ? 'h' : 'k');
        flip_each(&file, 0, file.bytes.size - SIDE_FOOT_BYTES, SIDE_STRIDE, true);
        flip_each(&file, file.bytes.size - SIDE_FOOT_BYTES, file.bytes.size, 1, true);
        put_back(&file);
    }
}

static void seal_pack(struct file *file) {
    struct stele_sha256 sha;
    uint8_t *foot = file->bytes.data + file->bytes.size - PACK_FOOT_BYTES;
    size_t dir = pack_directory_at(file);
    stele_sha256_init(&sha);
    stele_sha256_update(&sha, stele_view_of(file->bytes.data, PACK_HEAD_BYTES));
    stele_sha256_update(&sha,
                        stele_view_of(file->bytes.data + dir, (size_t)(foot - file->bytes.data) -
                                                                  dir + PACK_FOOT_FIELDS_BYTES));
    stele_sha256_final(&sha, foot + PACK_FOOT_FIELDS_BYTES);
}

/* With the digest that fits: only the rules of the layout are left. */
static void test_pack_forged__fields_that_do_not_fit_are_refused(void **state) {
    static const struct {
        const char *what;
        size_t at, bytes; /* from the start, or from the foot if `foot` */
        bool foot;
        int by;
    } forged[] = {
        {"another version", 8, 2, false, 1},
        {"another first entry", 16, 8, false, 1},
        {"another last entry", 24, 8, false, 1},
        {"a directory elsewhere", 0, 8, true, -12},
        {"more items", 8, 4, true, 1},
        {"more frames than items", 12, 4, true, 1000},
        {"a snapshot elsewhere", 16, 8, true, 1},
        {"a longer snapshot", 24, 4, true, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        struct file file;
        stele_err err;
        load_blob(&file, 'p');
        uint8_t *foot = file.bytes.data + file.bytes.size - PACK_FOOT_BYTES;
        uint8_t *field = (forged[i].foot ? foot : file.bytes.data) + forged[i].at;
        uint8_t *last = field + forged[i].bytes - 1; /* big-endian */
        uint64_t value = 0;
        for (const uint8_t *byte = field; byte <= last; byte++) {
            value = value << 8 | *byte;
        }
        value = (uint64_t)((int64_t)value + forged[i].by);
        for (uint8_t *byte = last; byte >= field; byte--, value >>= 8) {
            *byte = (uint8_t)value;
        }
        seal_pack(&file);
        write_file(&file, &file.bytes);
        expect_words(forged[i].what, check(false, &err), &err, "header and footer do not fit");
        put_back(&file);
    }
}

static void test_pack_forged__a_place_outside_the_items_is_not_read(void **state) {
    const size_t item = 5; /* of the directory; each row has its first entry and its offset */
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct stele_log_view *view = NULL;
        struct stele_log_reader *reader = NULL;
        struct stele_stored_entry stored;
        struct file file;
        stele_err err;
        load_blob(&file, 'p');
        uint8_t *row = file.bytes.data + pack_directory_at(&file) + item * PACK_DIR_ENTRY_BYTES;
        const uint64_t offset[] = {8, pack_directory_at(&file) + 1, UINT64_MAX};
        uint64_t seq = stele_get_u32(row);
        stele_put_u64(row + 4, offset[i]);
        seal_pack(&file);
        write_file(&file, &file.bytes);
        assert_ok(fixture_try_open(&f, true, &err));
        assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, NULL));
        assert_ok(stele_log_reader_new(view, &reader, NULL));
        expect_words("a place", stele_log_read(reader, seq, &stored, &err), &err,
                     "lies at impossible offsets");
        stele_log_reader_free(reader);
        stele_log_view_close(view);
        fixture_close(&f);
        put_back(&file);
    }
}

static void seal_side(struct file *file) {
    uint8_t *foot = file->bytes.data + file->bytes.size - SIDE_FOOT_BYTES;
    stele_sha256_of(stele_view_of(file->bytes.data,
                                  file->bytes.size - SIDE_FOOT_BYTES + SIDE_FOOT_FIELDS_BYTES),
                    foot + SIDE_FOOT_FIELDS_BYTES);
}

static void test_pack_forged__an_entry_with_another_leaf_hash_is_not_read(void **state) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    struct file file;
    stele_err err;
    (void)state;
    load_blob(&file, 'h');
    file.bytes.data[100 * STELE_HASH_BYTES] ^= 1;
    seal_side(&file);
    write_file(&file, &file.bytes);
    assert_ok(fixture_try_open(&f, true, &err));
    assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    assert_ok(stele_log_read(reader, 99, &stored, NULL));
    expect_words("a leaf", stele_log_read(reader, 100, &stored, &err), &err,
                 "does not have the leaf hash");
    assert_ok(stele_log_read(reader, 101, &stored, NULL));
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    fixture_close(&f);
    put_back(&file);
}

/* By who computes the pack's digest again: a frame with another time or another payload is no
 * answer of a reader that does not look at leaf hashes either. */
static void test_pack_forged__a_frame_with_another_byte_is_not_read(void **state) {
    const size_t item = 6;
    (void)state;
    static const size_t at[] = {19, 23, 27, 40, 400}; /* time, raw length, sealed length, sealed */
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        struct stele_log_view *view = NULL;
        struct stele_log_reader *reader = NULL;
        struct stele_stored_entry stored;
        struct stele_stored_frame frame;
        struct file file;
        stele_err err;
        load_blob(&file, 'p');
        const uint8_t *row =
            file.bytes.data + pack_directory_at(&file) + item * PACK_DIR_ENTRY_BYTES;
        uint64_t seq = stele_get_u32(row);
        file.bytes.data[stele_get_u64(row + 4) + at[i]] ^= 1;
        write_file(&file, &file.bytes);
        assert_ok(fixture_try_open(&f, true, &err));
        assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, NULL));
        assert_ok(stele_log_reader_new(view, &reader, NULL));
        assert_ok(stele_log_read_event(reader, seq - 1, &stored, NULL));
        assert_status(stele_log_read_event(reader, seq, &stored, &err), CORRUPT);
        assert_status(stele_log_peek(reader, seq, &frame, &err), CORRUPT);
        assert_status(stele_log_read(reader, seq, &stored, &err), CORRUPT);
        assert_ok(stele_log_read_event(reader, seq - 1, &stored, NULL));
        stele_log_reader_free(reader);
        stele_log_view_close(view);
        fixture_close(&f);
        assert_status(check(true, &err), CORRUPT);
        put_back(&file);
    }
}

static stele_status fail_notes(void *ctx, const char *step, bool after, stele_err *err) {
    (void)ctx;
    bool note = !after && strcmp(step, "checkpoint: append the note") == 0;
    return note ? STELE_FAIL(err, IO, "nothing is signed") : STELE_OK;
}

static bool is_packed(void) {
    char key[STELE_BLOB_KEY_MAX];
    char path[320];
    stele_pack_key("3y", 'p', 0, PACK_ENTRIES, key);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", f.dir, key);
    return access(path, F_OK) == 0;
}

/* A store whose process ended before it could sign what is packed: no checkpoint says what its tree
 * should be, only its entries do. */
static void test_pack_forged__tile_hashes_that_are_not_the_entries_are_found(void **state) {
    struct stele_engine *inner = NULL;
    struct stele_engine *engine = NULL;
    struct fixture signed_store = f;
    struct file file;
    stele_err err;
    (void)state;
    fixture_init(&f);
    f.quiet = true;
    assert_ok(stele_engine_rocks_open(f.dir, "eu-test", true, &inner, NULL));
    assert_ok(engine_fault_new(inner, &engine, NULL));
    f.engine = engine;
    fixture_open(&f); /* which signs what it has made: the genesis entries */
    engine_fault_watch(engine, fail_notes, NULL);
    book_clear(&book);
    assert_ok(book_append(&book, &f, PACK_ENTRIES + 40, &err));
    for (size_t i = 0; !is_packed(); i++) {
        assert_true(i < TRIES_MAX);
        (void)usleep(10000);
    }
    fixture_close(&f);
    assert_ok(check(true, &err));
    load_blob(&file, 'h');
    file.bytes.data[PACK_ENTRIES * STELE_HASH_BYTES] ^= 1; /* the first tile's root */
    seal_side(&file);
    write_file(&file, &file.bytes);
    expect_words("a tile", check(true, &err), &err, "the stored tile hashes");
    put_back(&file);
    fixture_done(&f);
    f = signed_store;
}

static void test_pack_forged__another_tag_key_is_named(void **state) {
    struct file ours;
    struct file other;
    char path[320];
    stele_err err;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/keys/1y.20251100.tag", f.dir);
    load(&other, path);
    (void)snprintf(path, sizeof path, "%s/keys/3y.20251100.tag", f.dir);
    load(&ours, path);
    write_file(&ours, &other.bytes);
    expect_words("a key", check(true, &err), &err, "is not the key its EPOCH");
    put_back(&ours);
    put_back(&other);
    assert_ok(check(true, &err));
}

/* Its entry commits to it; no digest of the pack covers it. */
static void test_pack_forged__the_body_of_a_control_is_the_one_committed_to(void **state) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    struct file file;
    stele_err err;
    size_t n_refused = 0;
    (void)state;
    load_blob(&file, 'p');
    uint8_t *name = memmem(file.bytes.data, file.bytes.size, "globex", 6);
    assert_non_null(name);
    name[2] ^= 1;
    write_file(&file, &file.bytes);
    assert_ok(fixture_try_open(&f, true, &err));
    assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (uint64_t seq = 0; seq < PACK_ENTRIES; seq++) {
        stele_status st = stele_log_read(reader, seq, &stored, &err);
        if (st != STELE_OK) {
            expect_words("a body", st, &err, "is not the one it commits to");
            n_refused++;
        }
    }
    assert_int_equal(n_refused, 1);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    fixture_close(&f);
    put_back(&file);
}

static void test_pack_forged__every_byte_of_an_index_segment_counts(void **state) {
    struct file file;
    (void)state;
    load_blob(&file, 'i');
    size_t index = file.bytes.size - STELE_SEGMENT__FOOTER_BYTES - STELE_SEGMENT__INDEX_ENTRY_BYTES;
    flip_each(&file, 0, index, SIDE_STRIDE, true);
    /* What says where keys are is checked before anything is looked up. */
    flip_each(&file, index, file.bytes.size, 1, false);
    put_back(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_forged__every_byte_that_describes_a_pack_counts),
        cmocka_unit_test(test_pack_forged__every_byte_beside_a_pack_counts),
        cmocka_unit_test(test_pack_forged__fields_that_do_not_fit_are_refused),
        cmocka_unit_test(test_pack_forged__a_place_outside_the_items_is_not_read),
        cmocka_unit_test(test_pack_forged__an_entry_with_another_leaf_hash_is_not_read),
        cmocka_unit_test(test_pack_forged__a_frame_with_another_byte_is_not_read),
        cmocka_unit_test(test_pack_forged__tile_hashes_that_are_not_the_entries_are_found),
        cmocka_unit_test(test_pack_forged__another_tag_key_is_named),
        cmocka_unit_test(test_pack_forged__the_body_of_a_control_is_the_one_committed_to),
        cmocka_unit_test(test_pack_forged__every_byte_of_an_index_segment_counts),
    };
    return cmocka_run_group_tests_name("forged packs", tests, make_store, remove_store);
}
