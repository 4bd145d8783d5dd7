/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_full_disk.c: a store on a disk that fills up under load, again and again, in a
 * file system of the test's own. Appends are refused with a status that clients see as UNAVAILABLE,
 * reads go on, nothing acknowledged is lost, and the store goes on by itself when there is room
 * again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "proto/rpc_status.h"
#include "tests/fault/batch_book.h"
#include "tests/support/temp_folder.h"

#define DISK_OPTIONS "size=64m"
#define ROUNDS 6
#define DAY_US UINT64_C(86400000000)
/* Tries of 10 ms until a store that has room again must take events. */
#define TRIES_MAX 1000

static char folder[TEMP_FOLDER_BYTES];
static struct fixture f;
static struct book book;

static bool mount_disk(void) {
    uid_t user = geteuid();
    if (unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) {
        return false;
    }
    (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return mount("tmpfs", folder, "tmpfs", 0, DISK_OPTIONS) == 0;
}

/* Leaves `left` bytes or a little more. */
static void fill_disk(size_t left) {
    static uint8_t zeros[4096];
    int fd = open(temp_path(folder, "ballast"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros) {
    }
    assert_int_equal(errno, ENOSPC);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(ftruncate(fd, size - (off_t)left), 0);
    (void)close(fd);
}

static void free_disk(void) {
    assert_int_equal(unlink(temp_path(folder, "ballast")), 0);
}

static void read_some(void) {
    stele_err err;
    for (int i = 0; i < 20; i++) {
        stele_status st = book_read_one(&book, &f, &err);
        if (st != STELE_OK) {
            fail_msg("read: %s: %s (%s)", stele_status_name(st), err.text, err.where);
        }
    }
}

static void refused_well(stele_status st, const stele_err *err) {
    if (stele_rpc_code_of(st) != STELE_RPC_UNAVAILABLE || err->text[0] == '\0') {
        fail_msg("refused with %s: %s (%s)", stele_status_name(st), err->text, err->where);
    }
}

static void append_until_full(void) {
    stele_err err;
    stele_status st = STELE_OK;
    while (st == STELE_OK) {
        atomic_fetch_add(&f.now_us, DAY_US / 8);
        st = book_append(&book, &f, 1 + rng_below(&book.rng, 60), &err);
    }
    refused_well(st, &err);
}

static void append_until_taken(void) {
    stele_err err;
    stele_status st = book_append(&book, &f, 1, &err);
    for (int tries = 0; st != STELE_OK; tries++) {
        refused_well(st, &err);
        if (tries == TRIES_MAX) {
            fail_msg("there is room again: %s: %s (%s)", stele_status_name(st), err.text,
                     err.where);
        }
        (void)usleep(10000);
        st = book_append(&book, &f, 1, &err);
    }
}

static void test_full_disk__refuses_reads_on_and_comes_back(void **state) {
    stele_err err;
    (void)state;
    book.rng = rng_start("full disk");
    f = (struct fixture){.pack_entries = 256, .quiet = true};
    (void)snprintf(f.dir, sizeof f.dir, "%.50s/store", folder);
    atomic_store(&f.now_us, FIXTURE_START_US);
    fixture_open(&f);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 12; i++) {
            atomic_fetch_add(&f.now_us, DAY_US);
            append_until_taken();
            assert_ok(book_append(&book, &f, 1 + rng_below(&book.rng, 90), &err));
        }
        fill_disk(rng_below(&book.rng, 40) * 4096);
        append_until_full();
        read_some();
        for (int i = 0; i < 3; i++) {
            (void)usleep(20000);
            stele_status st = book_append(&book, &f, 20, &err);
            if (st != STELE_OK) {
                refused_well(st, &err);
            }
            read_some();
        }
        if (round % 3 ==
            2) { /* closed and opened while there is no room: that may fail, and does no harm */
            fixture_close(&f);
            stele_status st = fixture_try_open(&f, false, &err);
            if (st != STELE_OK) {
                refused_well(st, &err);
                free_disk();
                fixture_open(&f);
            }
        }
        if (access(temp_path(folder, "ballast"), F_OK) == 0) {
            free_disk();
        }
        append_until_taken();
        fixture_wait_packed(&f, "3y");
        (void)book_check(&book, &f);
    }
    size_t n_adopted = book_check(&book, &f);
    fixture_close(&f);
    fixture_open(&f);
    (void)book_check(&book, &f);
    (void)book_fsck(&book, &f);
    (void)printf("full disk: %d times, %zu batches, %zu refused, %zu of them adopted\n", ROUNDS,
                 book.n_batches, book_n_refused(&book), n_adopted);
    book_done(&book);
}

int main(void) {
    temp_folder_make(folder);
    if (!mount_disk()) {
        (void)printf("skipped: no right to mount a tmpfs in a namespace of its own\n");
        temp_folder_remove(folder);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk__refuses_reads_on_and_comes_back),
    };
    int failures = cmocka_run_group_tests_name("full disk", tests, NULL, NULL);
    (void)umount2(folder, MNT_DETACH);
    temp_folder_remove(folder);
    return failures;
}
