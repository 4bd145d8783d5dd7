/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_engine_full_disk.c: a disk that is really full, in a file system of the test's
 * own. The store says NO_SPACE, goes on reading, and goes on writing when there is room again.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/engine_behaviour.h"
#include "tests/support/temp_folder.h"

#define DISK_MIB 48
#define RECORD_BYTES 100000

static char folder[TEMP_FOLDER_BYTES];
static uint8_t record[RECORD_BYTES];

static bool mount_disk(void) {
    char options[32];
    (void)snprintf(options, sizeof options, "size=%dm", DISK_MIB);
    uid_t user = geteuid();
    if (unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) {
        return false;
    }
    (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return mount("tmpfs", folder, "tmpfs", 0, options) == 0;
}

static void fill_disk(void) {
    static uint8_t zeros[65536];
    int fd = open(temp_path(folder, "ballast"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    size_t size = sizeof zeros;
    while (size > 0) { /* to the last byte */
        if (write(fd, zeros, size) <= 0) {
            size /= 2;
        }
    }
    (void)close(fd);
}

static void free_disk(void) {
    assert_int_equal(unlink(temp_path(folder, "ballast")), 0);
}

static stele_status count_record(void *ctx, uint64_t pos, stele_view bytes, stele_err *err) {
    uint64_t *n = ctx;
    bool right = pos == *n && bytes.size == RECORD_BYTES && bytes.data[0] == (uint8_t)pos;
    (*n)++;
    return right ? STELE_OK
                 : STELE_FAIL(err, BUG, "record %llu is another one", (unsigned long long)pos);
}

static void assert_records(struct stele_engine *e, uint64_t expected) {
    uint64_t n = 0;
    assert_ok(e->ops->read(e, "log", 0, count_record, &n, NULL, NULL));
    assert_true(n == expected);
}

/* Appends until it fails; returns the number of acknowledged ones. */
static uint64_t append_until_full(struct stele_engine *e, uint64_t epoch, uint64_t next,
                                  stele_status *ret_st) {
    stele_err err = {.status = STELE_OK};
    *ret_st = STELE_OK;
    while (*ret_st == STELE_OK) {
        assert_true(next < (uint64_t)DISK_MIB << 20);
        record[0] = (uint8_t)next;
        *ret_st = engine_append(e, "log", epoch, next, stele_view_of(record, sizeof record), &err);
        next += *ret_st == STELE_OK;
    }
    return next;
}

static void test_engine_full_disk__stops_writing_only(void **state) {
    (void)state;
    struct stele_engine *e = NULL;
    const char *store = "store";
    stele_err err = {.status = STELE_OK};
    stele_status st = STELE_OK;
    uint64_t next = 0;
    uint64_t epoch = 0;
    assert_ok(stele_engine_rocks_open(temp_path(folder, store), "eu", true, &e, NULL));
    for (int round = 0; round < 4; round++) {
        assert_ok(e->ops->claim(e, "log", &next, &epoch, NULL));
        for (int i = 0; i < 3; i++) {
            record[0] = (uint8_t)next;
            assert_ok(
                engine_append(e, "log", epoch, next++, stele_view_of(record, sizeof record), NULL));
        }
        fill_disk();
        next = append_until_full(e, epoch, next, &st);
        assert_int_equal(st, STELE_NO_SPACE);
        assert_status(stele_engine_put(e, "p/x", stele_view_of(record, sizeof record), NULL, &err),
                      NO_SPACE);
        assert_records(e, next);
        uint64_t ignored = 0;
        assert_status(e->ops->claim(e, "log", &ignored, &ignored, &err), NO_SPACE);
        assert_records(e, next);
        if (round % 2 == 1) { /* a start on a full disk */
            e->ops->close(e);
            assert_ok(stele_engine_rocks_open(temp_path(folder, store), "eu", false, &e, NULL));
            assert_records(e, next);
            assert_status(e->ops->claim(e, "log", &ignored, &ignored, &err), NO_SPACE);
            assert_status(e->ops->meta_put(e, "fact", stele_view_str("v"), NULL), CLOSED);
        }
        free_disk();
    }
    uint64_t claimed = 0;
    assert_ok(e->ops->claim(e, "log", &claimed, &epoch, NULL));
    assert_true(claimed >= next);
    assert_ok(stele_engine_put(e, "p/x", stele_view_str("bytes"), NULL, NULL));
    e->ops->close(e);
}

/* Whoever goes on after a write that failed gets no blob with a hole. */
static void test_engine_full_disk__a_blob_that_lacks_bytes_gets_no_name(void **state) {
    static uint8_t many[512 << 10];
    struct stele_engine *e = NULL;
    struct stele_blob_writer *w = NULL;
    uint64_t size = 0;
    (void)state;
    assert_ok(stele_engine_rocks_open(temp_path(folder, "blobs"), "eu", true, &e, NULL));
    assert_ok(e->ops->blob_begin(e, "p/cut", &w, NULL));
    fill_disk();
    assert_status(e->ops->blob_write(w, stele_view_of(many, sizeof many), NULL), NO_SPACE);
    free_disk();
    assert_status(e->ops->blob_write(w, stele_view_str("more"), NULL), NO_SPACE);
    assert_status(e->ops->blob_commit(w, NULL, NULL), NO_SPACE);
    assert_status(e->ops->blob_size(e, "p/cut", &size, NULL), NOT_FOUND);
    e->ops->close(e);
}

int main(void) {
    temp_folder_make(folder);
    if (!mount_disk()) {
        (void)printf("skipped: no right to mount a tmpfs in a namespace of its own\n");
        temp_folder_remove(folder);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_full_disk__stops_writing_only),
        cmocka_unit_test(test_engine_full_disk__a_blob_that_lacks_bytes_gets_no_name),
    };
    int failures = cmocka_run_group_tests_name("engine_full_disk", tests, NULL, NULL);
    (void)umount2(folder, MNT_DETACH);
    temp_folder_remove(folder);
    return failures;
}
