/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_engine_rocks.c: the embedded engine keeps an engine's promises, and its own: one
 * process, one region, nothing half made taken for whole, no write on top of a failed one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file.h"
#include "tests/support/engine_behaviour.h"
#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"

static void open_store(struct engine_subject *s, bool create) {
    stele_err err = {.status = STELE_OK};
    if (stele_engine_rocks_open(s->folder, "eu", create, &s->engine, &err) != STELE_OK) {
        fail_msg("open: %s", err.text);
    }
}

static void make_store(struct engine_subject *s) {
    temp_folder_make(s->folder);
    open_store(s, true);
}

static void restart_store(struct engine_subject *s) {
    s->engine->ops->close(s->engine);
    open_store(s, false);
}

static void remove_store(struct engine_subject *s) {
    s->engine->ops->close(s->engine);
    temp_folder_remove(s->folder);
}

static struct engine_subject new_store(void) {
    struct engine_subject s = {.engine = NULL};
    make_store(&s);
    return s;
}

/* The status of opening, with the message checked for a word. */
static void assert_refused(const char *folder, const char *region, bool create,
                           stele_status expected, const char *word) {
    stele_err err = {.status = STELE_OK};
    struct stele_engine *e = NULL;
    stele_status st = stele_engine_rocks_open(folder, region, create, &e, &err);
    assert_string_equal(stele_status_name(st), stele_status_name(expected));
    assert_int_equal(err.status, expected);
    if (strstr(err.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, word);
    }
}

/* ---- who may open what ---- */

static void test_engine_rocks__says_what_it_gives(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    assert_int_equal(s.engine->caps.survives, STELE_SURVIVES_MACHINE_CRASH);
    assert_int_equal(s.engine->caps.worm, STELE_WORM_OURS);
    assert_false(s.engine->caps.cluster_exclusive);
    remove_store(&s);
}

static void test_engine_rocks__a_second_process_is_refused_by_name(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld:", (long)getpid());
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        stele_err err = {.status = STELE_OK};
        struct stele_engine *e = NULL;
        stele_status st = stele_engine_rocks_open(s.folder, "eu", true, &e, &err);
        _exit(st == STELE_DENIED && strstr(err.text, pid) != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_refused(s.folder, "eu", false, STELE_DENIED, pid);
    restart_store(&s); /* and the lock goes with its holder */
    remove_store(&s);
}

static void test_engine_rocks__another_regions_store_is_refused(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    s.engine->ops->close(s.engine);
    assert_refused(s.folder, "us", false, STELE_DENIED, "'eu'");
    assert_refused(s.folder, "us", true, STELE_DENIED, "'eu'");
    assert_refused(s.folder, "e", false, STELE_DENIED, "'eu'");
    assert_refused(s.folder, "EU", false, STELE_INVALID, "region");
    assert_refused(s.folder, "", false, STELE_INVALID, "region");
    /* A REGION file that was changed does not help: the database knows too. */
    FILE *f = fopen(temp_path(s.folder, "REGION"), "w");
    assert_non_null(f);
    assert_true(fputs("us\n", f) >= 0 && fclose(f) == 0);
    assert_refused(s.folder, "us", true, STELE_DENIED, "database");
    temp_folder_remove(s.folder);
}

static void test_engine_rocks__only_an_empty_folder_becomes_a_store(void **state) {
    (void)state;
    char folder[TEMP_FOLDER_BYTES];
    struct stat info;
    temp_folder_make(folder);
    assert_refused(folder, "eu", false, STELE_NOT_FOUND, "no store");
    assert_refused(temp_path(folder, "none"), "eu", false, STELE_NOT_FOUND, "no store");
    assert_refused(temp_path(folder, "none/deeper"), "eu", true, STELE_IO, "cannot make");
    FILE *f = fopen(temp_path(folder, "thesis.txt"), "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_refused(folder, "eu", true, STELE_NOT_FOUND, "not empty");
    assert_int_equal(stat(temp_path(folder, "LOCK"), &info), -1); /* nothing was left there */
    assert_int_equal(remove(temp_path(folder, "thesis.txt")), 0);
    assert_int_equal(mkdir(temp_path(folder, "lost+found"), 0700), 0);
    struct stele_engine *e = NULL;
    assert_ok(stele_engine_rocks_open(folder, "eu", true, &e, NULL));
    e->ops->close(e);
    temp_folder_remove(folder);
}

static void test_engine_rocks__making_a_store_can_be_interrupted(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    s.engine->ops->close(s.engine);
    /* REGION is written last: without it the store was never whole, or has lost a file. */
    assert_int_equal(remove(temp_path(s.folder, "REGION")), 0);
    assert_refused(s.folder, "eu", false, STELE_CORRUPT, "REGION");
    assert_refused(s.folder, "us", true, STELE_DENIED, "database");
    open_store(&s, true);
    restart_store(&s);
    /* With REGION, a database that is gone is a loss and not a new store. */
    s.engine->ops->close(s.engine);
    temp_folder_remove(temp_path(s.folder, "db"));
    assert_refused(s.folder, "eu", true, STELE_CORRUPT, "no database");
    temp_folder_remove(s.folder);
}

static mode_t mode_of(const char *folder, const char *name) {
    struct stat info;
    assert_int_equal(stat(temp_path(folder, name), &info), 0);
    return info.st_mode & 07777;
}

static void test_engine_rocks__others_can_read_nothing(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    assert_ok(stele_engine_put(s.engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    assert_int_equal(mode_of(s.folder, "LOCK"), 0600);
    assert_int_equal(mode_of(s.folder, "REGION"), 0600);
    assert_int_equal(mode_of(s.folder, "db"), 0700);
    assert_int_equal(mode_of(s.folder, "blobs"), 0700);
    assert_int_equal(mode_of(s.folder, "blobs/p"), 0700);
    assert_int_equal(mode_of(s.folder, "blobs/p/x"), 0600);
    remove_store(&s);
}

/* ---- blobs ---- */

static size_t count_names(const char *folder) {
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

static void leave_file(const char *path) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("half a blob", f) >= 0 && fclose(f) == 0);
}

static void test_engine_rocks__unfinished_blobs_are_removed_at_open(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    struct stat info;
    assert_ok(stele_engine_put(s.engine, "p/x", stele_view_str("whole"), NULL, NULL));
    s.engine->ops->close(s.engine);
    /* As a process leaves them that dies while it writes "p/y" and "q/r/z". */
    leave_file(temp_path(s.folder, "blobs/p/.tmp.0"));
    assert_int_equal(mkdir(temp_path(s.folder, "blobs/q"), 0700), 0);
    assert_int_equal(mkdir(temp_path(s.folder, "blobs/q/r"), 0700), 0);
    leave_file(temp_path(s.folder, "blobs/q/r/.tmp.1"));
    open_store(&s, false);
    assert_int_equal(count_names(temp_path(s.folder, "blobs/p")), 3); /* ".", "..", "x" */
    assert_int_equal(stat(temp_path(s.folder, "blobs/q"), &info), -1);
    remove_store(&s);
}

#define MANY_BLOBS 300

struct getter {
    struct stele_engine *engine;
    uint64_t seed;
    bool fine;
};

static void *get_at_random(void *arg) {
    struct getter *g = arg;
    struct rng rng = {g->seed};
    stele_buf out = STELE_BUF_EMPTY;
    g->fine = true;
    for (int i = 0; i < 3000 && g->fine; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "p/%03d", (int)rng_below(&rng, MANY_BLOBS));
        stele_buf_clear(&out);
        g->fine = g->engine->ops->blob_get(g->engine, key, 2, 100, &out, NULL) == STELE_OK &&
                  stele_view_is(stele_view_buf(&out), key + 2);
    }
    stele_buf_done(&out);
    return NULL;
}

static void test_engine_rocks__open_blobs_are_bounded(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    struct getter getter[4];
    pthread_t thread[4];
    for (int i = 0; i < MANY_BLOBS; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "p/%03d", i);
        assert_ok(stele_engine_put(s.engine, key, stele_view_str(key), NULL, NULL));
    }
    size_t before = count_names("/proc/self/fd");
    for (size_t i = 0; i < 4; i++) {
        getter[i] = (struct getter){s.engine, i + 1, false};
        assert_int_equal(pthread_create(&thread[i], NULL, get_at_random, &getter[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(getter[i].fine);
    }
    size_t opened = count_names("/proc/self/fd") - before;
    assert_true(opened > 100 && opened <= 128);
    remove_store(&s);
}

static void test_engine_rocks__a_foreign_file_is_no_blob(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    stele_buf keys = STELE_BUF_EMPTY;
    assert_ok(stele_engine_put(s.engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    FILE *f = fopen(temp_path(s.folder, "blobs/p/Notes of mine"), "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(symlink("/etc/hostname", temp_path(s.folder, "blobs/p/link")), 0);
    assert_ok(engine_list_text(s.engine, "", &keys, NULL));
    assert_string_equal((const char *)keys.data, "p/x;");
    stele_buf_clear(&keys);
    assert_int_not_equal(s.engine->ops->blob_get(s.engine, "p/link", 0, 9, &keys, NULL), STELE_OK);
    assert_int_equal(keys.size, 0);
    stele_buf_done(&keys);
    remove_store(&s);
}

/* ---- failed writes ---- */

/* Every file of this process may grow to `bytes` at most: writes past it fail with EFBIG. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_engine_rocks__nothing_is_written_after_a_failed_write(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    const struct stele_engine_ops *ops = s.engine->ops;
    static uint8_t large[100000];
    stele_err err = {.status = STELE_OK};
    stele_buf text = STELE_BUF_EMPTY;
    uint64_t next = 0;
    uint64_t epoch = 0;
    uint64_t next_b = 0;
    uint64_t epoch_b = 0;
    assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    assert_ok(ops->claim(s.engine, "b", &next_b, &epoch_b, NULL));
    assert_ok(engine_append(s.engine, "a", epoch, 0, stele_view_str("zero"), NULL));
    limit_files(4096);
    assert_status(engine_append(s.engine, "a", epoch, 1, stele_view_of(large, sizeof large), &err),
                  IO);
    assert_int_equal(err.os_errno, EFBIG);
    limit_files(RLIM_INFINITY);
    /* The cause is gone, and still nobody writes before reading back. */
    assert_status(engine_append(s.engine, "a", epoch, 1, stele_view_str("one"), &err), CLOSED);
    assert_non_null(strstr(err.text, "claim"));
    assert_status(engine_append(s.engine, "b", epoch_b, 0, stele_view_str("zero"), NULL), CLOSED);
    assert_status(ops->trim(s.engine, "a", 1, NULL), CLOSED);
    assert_status(ops->meta_put(s.engine, "fact", stele_view_str("v"), NULL), CLOSED);
    assert_ok(engine_read_text(s.engine, "a", 0, &text, NULL, NULL));
    assert_string_equal((const char *)text.data, "0:zero;");
    assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    assert_true(next == 1 || next == 2); /* the failed record may have reached the disk */
    assert_ok(engine_append(s.engine, "a", epoch, next, stele_view_str("next"), NULL));
    assert_status(engine_append(s.engine, "b", epoch_b, 0, stele_view_str("zero"), NULL), CLOSED);
    assert_ok(ops->claim(s.engine, "b", &next_b, &epoch_b, NULL));
    assert_ok(engine_append(s.engine, "b", epoch_b, 0, stele_view_str("zero"), NULL));
    assert_ok(ops->meta_put(s.engine, "fact", stele_view_str("v"), NULL));
    restart_store(&s);
    assert_ok(engine_read_text(s.engine, "a", next, &text, NULL, NULL));
    assert_non_null(strstr((const char *)text.data, ":next;"));
    stele_buf_done(&text);
    remove_store(&s);
}

static void test_engine_rocks__a_disk_that_stays_full_can_be_read(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    const struct stele_engine_ops *ops = s.engine->ops;
    static uint8_t large[100000];
    stele_err err = {.status = STELE_OK};
    stele_buf text = STELE_BUF_EMPTY;
    uint64_t next = 0;
    uint64_t epoch = 0;
    assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    assert_ok(engine_append(s.engine, "a", epoch, 0, stele_view_str("zero"), NULL));
    limit_files(0);
    assert_status(engine_append(s.engine, "a", epoch, 1, stele_view_of(large, sizeof large), NULL),
                  IO);
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(ops->claim(s.engine, "a", &next, &epoch, &err), STELE_OK);
        assert_ok(engine_read_text(s.engine, "a", 0, &text, NULL, NULL));
        assert_string_equal((const char *)text.data, "0:zero;");
        assert_status(engine_append(s.engine, "a", epoch, 1, stele_view_str("one"), NULL), CLOSED);
        assert_status(stele_engine_put(s.engine, "p/x", stele_view_str("bytes"), NULL, NULL), IO);
    }
    limit_files(RLIM_INFINITY);
    assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    assert_ok(engine_append(s.engine, "a", epoch, next, stele_view_str("next"), NULL));
    assert_ok(stele_engine_put(s.engine, "p/x", stele_view_str("bytes"), NULL, NULL));
    stele_buf_done(&text);
    remove_store(&s);
}

/* Readers go on while another thread's claim reopens the store under them. */
struct reader {
    struct stele_engine *engine;
    atomic_bool *stop;
    bool fine;
    uint64_t reads;
};

static stele_status look_inside(void *ctx, uint64_t pos, stele_view record, stele_err *err) {
    struct reader *r = ctx;
    stele_buf ignored = STELE_BUF_EMPTY;
    (void)pos;
    (void)record;
    stele_status st = r->engine->ops->meta_get(r->engine, "fact", &ignored, err);
    stele_buf_done(&ignored);
    return st;
}

static void *read_on(void *arg) {
    struct reader *r = arg;
    r->fine = true;
    while (!*r->stop && r->fine) {
        r->fine = r->engine->ops->read(r->engine, "a", 0, look_inside, r, NULL, NULL) == STELE_OK;
        r->reads++;
    }
    return NULL;
}

static void test_engine_rocks__readers_live_through_a_reopening(void **state) {
    (void)state;
    struct engine_subject s = new_store();
    const struct stele_engine_ops *ops = s.engine->ops;
    static uint8_t large[100000];
    atomic_bool stop = false;
    struct reader reader[3];
    pthread_t thread[3];
    uint64_t next = 0;
    uint64_t epoch = 0;
    assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    assert_ok(engine_append(s.engine, "a", epoch, 0, stele_view_str("zero"), NULL));
    assert_ok(ops->meta_put(s.engine, "fact", stele_view_str("v"), NULL));
    for (size_t i = 0; i < 3; i++) {
        reader[i] = (struct reader){s.engine, &stop, false, 0};
        assert_int_equal(pthread_create(&thread[i], NULL, read_on, &reader[i]), 0);
    }
    next = 1;
    for (int i = 0; i < 5; i++) {
        limit_files(4096);
        assert_status(
            engine_append(s.engine, "a", epoch, next, stele_view_of(large, sizeof large), NULL),
            IO);
        limit_files(RLIM_INFINITY);
        assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    }
    stop = true;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(reader[i].fine && reader[i].reads > 0);
    }
    remove_store(&s);
}

/* Bytes of the database's write-ahead logs. */
static uint64_t logged_bytes(const struct engine_subject *s) {
    char folder[320];
    uint64_t bytes = 0;
    (void)snprintf(folder, sizeof folder, "%s/db", s->folder);
    DIR *db = opendir(folder);
    assert_non_null(db);
    for (const struct dirent *d = readdir(db); d != NULL; d = readdir(db)) {
        struct stat file;
        if (strlen(d->d_name) > 4 && strcmp(d->d_name + strlen(d->d_name) - 4, ".log") == 0 &&
            fstatat(dirfd(db), d->d_name, &file, 0) == 0) {
            bytes += (uint64_t)file.st_size;
        }
    }
    (void)closedir(db);
    return bytes;
}

static void test_engine_rocks__after_a_clean_close_nothing_is_replayed(void **state) {
    struct engine_subject s = new_store();
    const struct stele_engine_ops *ops = s.engine->ops;
    static uint8_t record[1 << 16];
    uint64_t next = 0;
    uint64_t epoch = 0;
    (void)state;
    assert_ok(ops->claim(s.engine, "a", &next, &epoch, NULL));
    for (uint64_t pos = 0; pos < 20; pos++) {
        assert_ok(
            engine_append(s.engine, "a", epoch, pos, stele_view_of(record, sizeof record), NULL));
    }
    assert_true(logged_bytes(&s) >= 20 * sizeof record);
    ops->close(s.engine);
    assert_in_range(logged_bytes(&s), 0, sizeof record);
    open_store(&s, false);
    assert_ok(s.engine->ops->claim(s.engine, "a", &next, &epoch, NULL));
    assert_int_equal(next, 20);
    remove_store(&s);
}

int main(void) {
    const struct engine_subject subject = {NULL, make_store, restart_store, remove_store, ""};
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_engine_rocks__says_what_it_gives),
        cmocka_unit_test(test_engine_rocks__a_second_process_is_refused_by_name),
        cmocka_unit_test(test_engine_rocks__another_regions_store_is_refused),
        cmocka_unit_test(test_engine_rocks__only_an_empty_folder_becomes_a_store),
        cmocka_unit_test(test_engine_rocks__making_a_store_can_be_interrupted),
        cmocka_unit_test(test_engine_rocks__others_can_read_nothing),
        cmocka_unit_test(test_engine_rocks__unfinished_blobs_are_removed_at_open),
        cmocka_unit_test(test_engine_rocks__open_blobs_are_bounded),
        cmocka_unit_test(test_engine_rocks__a_foreign_file_is_no_blob),
        cmocka_unit_test(test_engine_rocks__nothing_is_written_after_a_failed_write),
        cmocka_unit_test(test_engine_rocks__a_disk_that_stays_full_can_be_read),
        cmocka_unit_test(test_engine_rocks__readers_live_through_a_reopening),
        cmocka_unit_test(test_engine_rocks__after_a_clean_close_nothing_is_replayed),
    };
    return engine_behaviour_run("engine_rocks", &subject, own, sizeof own / sizeof own[0]);
}
