/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/tamper_trial.c: makes the store, copies it, changes one thing, and looks. */
#include "tests/fault/tamper_trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file.h"
#include "storage/fsck.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_answers.h"

#define HANG_SECONDS 300 /* a hang is a crash too; a busy machine is not */
#define KEYS_EVERY 16    /* each 16th event's keys are looked up */

struct outcome {
    bool done;
    stele_status opened, answered, checked;
    uint8_t answers[32];
    char text[300];
};
struct tamper_bed {
    char dir[64];         /* holds "whole", and a copy a worker */
    struct outcome whole; /* nothing is changed */
    size_t n_files, n_pairs;
    struct tamper_file file[TAMPER_FILES_MAX];
    struct tamper_pair pair[TAMPER_PAIRS_MAX];
};

static struct tamper_bed *shared_bed(void) {
    void *memory = mmap(NULL, sizeof(struct tamper_bed), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void copy_file(const char *from, const char *to) {
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = 0;
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof bytes)) > 0) {
        assert_int_equal(write(out, bytes, (size_t)n), n);
    }
    assert_int_equal(n, 0);
    assert_int_equal(close(in) | close(out), 0);
}

/* Folders are made, if they are not there from the copy before, and files copied: a database writes
 * into some of them when it is opened. */
static void copy_tree(const char *from, const char *to) {
    DIR *folder = opendir(from);
    assert_non_null(folder);
    assert_true(mkdir(to, 0700) == 0 || errno == EEXIST);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char source[TAMPER_PATH_MAX * 2];
        char target[TAMPER_PATH_MAX * 2];
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        (void)snprintf(source, sizeof source, "%.240s/%s", from, entry->d_name);
        (void)snprintf(target, sizeof target, "%.240s/%s", to, entry->d_name);
        assert_int_equal(stat(source, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            copy_tree(source, target);
        } else {
            copy_file(source, target);
        }
    }
    (void)closedir(folder);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw) {
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int remove_file(const char *path, const struct stat *info, int type, struct FTW *ftw) {
    return type == FTW_DP ? 0 : remove_one(path, info, type, ftw);
}

/* Its folders stay: a system takes longer over them than over the files. */
static void remove_files(const char *path) {
    (void)nftw(path, remove_file, 16, FTW_DEPTH | FTW_PHYS);
}

/* ------------------------------------------------------------------ the store */

static void append(struct fixture *f, struct rng *rng, const char *log, size_t n) {
    struct stele_gen_options options = {.region = "eu-test", .n_actors = 20, .n_resources = 10};
    stele_buf payload[20] = {STELE_BUF_EMPTY};
    stele_view views[20] = {{NULL, 0}};
    struct stele_batch_place place;
    stele_err err = {0};
    assert_true(n <= 20);
    for (size_t i = 0; i < n; i++) {
        options.time_unix_nano = (atomic_load(&f->now_us) - 1000000) * 1000;
        stele_gen_event(rng, &options, &payload[i]);
        views[i] = stele_view_buf(&payload[i]);
    }
    assert_ok(fixture_append(f, log, views, n, &place, &err));
    for (size_t i = 0; i < n; i++) {
        stele_buf_done(&payload[i]);
    }
}

/* Units in blobs and a tail in records, of which some are in a table and some in the log of the
 * database. */
static void make_store(const char *dir) {
    struct fixture f;
    struct rng rng = {11};
    fixture_init(&f);
    assert_int_equal(rmdir(f.dir), 0);
    (void)snprintf(f.dir, sizeof f.dir, "%s", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    fixture_open(&f);
    for (int i = 0; i < 14; i++) {
        append(&f, &rng, "3y", 7);
        append(&f, &rng, "1y", 1);
        atomic_fetch_add(&f.now_us, UINT64_C(86400000000)); /* over the end of a month: two eras */
    }
    fixture_wait_packed(&f, "3y");
    fixture_close(&f);
    fixture_open(&f); /* what was in the database's log goes into a table */
    append(&f, &rng, "3y", 7);
    append(&f, &rng, "1y", 2);
    append(&f, &rng, "3y", 3);
    fixture_close(&f);
}

/* ------------------------------------------------------------------ pairs of the database */

struct pair_walk {
    struct tamper_bed *bed; /* lists, if not NULL */
    size_t at, wanted;
    stele_rocks_family family;
    stele_buf key[2], value[2]; /* the wanted one and its next */
};

static stele_status walk_one(void *ctx, stele_view key, stele_view value, stele_err *err) {
    struct pair_walk *walk = ctx;
    stele_status st = STELE_OK;
    if (walk->bed != NULL && walk->bed->n_pairs < TAMPER_PAIRS_MAX) {
        struct tamper_pair *pair = &walk->bed->pair[walk->bed->n_pairs++];
        *pair = (struct tamper_pair){
            .family = walk->family, .key_size = key.size, .value_size = value.size};
        for (size_t i = 0; i < key.size && i < sizeof pair->name - 1; i++) {
            pair->name[i] = (char)(key.data[i] > 32 && key.data[i] < 127 ? key.data[i] : '.');
        }
    }
    if (walk->at == walk->wanted || walk->at == walk->wanted + 1) {
        size_t which = walk->at - walk->wanted;
        STELE_TRY(stele_buf_append(&walk->key[which], key, err));
        STELE_TRY(stele_buf_append(&walk->value[which], value, err));
    }
    walk->at++;
cleanup:
    return st;
}

static stele_status all_is_there(void *ctx, struct stele_rocks *r, stele_err *err) {
    (void)ctx;
    (void)r;
    (void)err;
    return STELE_OK;
}

static void walk_pairs(struct stele_rocks *rocks, struct pair_walk *walk) {
    static const uint8_t end[64] = {0xff, 0xff, 0xff, 0xff};
    for (int family = 0; family < STELE_ROCKS_FAMILIES; family++) {
        stele_err err;
        walk->family = (stele_rocks_family)family;
        assert_ok(stele_rocks_scan(rocks, walk->family, stele_view_of(end, 0),
                                   stele_view_of(end, sizeof end), walk_one, walk, &err));
    }
}

static struct stele_rocks *open_rocks(const char *dir) {
    char path[TAMPER_PATH_MAX];
    struct stele_rocks *rocks = NULL;
    stele_err err;
    (void)snprintf(path, sizeof path, "%.200s/db", dir);
    assert_ok(stele_rocks_open(path, false, all_is_there, NULL, &rocks, &err));
    return rocks;
}

static void list_pairs(struct tamper_bed *bed, const char *dir) {
    struct pair_walk walk = {.bed = bed, .wanted = SIZE_MAX - 1};
    struct stele_rocks *rocks = open_rocks(dir);
    walk_pairs(rocks, &walk);
    stele_rocks_close(rocks);
}

static struct stele_rocks_op put(stele_rocks_family family, stele_view key, stele_view value) {
    return (struct stele_rocks_op){family, STELE_ROCKS_PUT, key, value};
}

/* What somebody does who can write the database. */
static void change_pair(const struct tamper_bed *bed, const char *dir,
                        const struct tamper_change *change) {
    const struct tamper_pair *pair = &bed->pair[change->n];
    struct pair_walk walk = {.wanted = change->n};
    struct stele_rocks *rocks = open_rocks(dir);
    struct stele_rocks_op ops[2];
    size_t n = 1;
    stele_err err;
    walk_pairs(rocks, &walk);
    stele_buf *key = &walk.key[0];
    stele_buf *value = &walk.value[0];
    ops[1] =
        (struct stele_rocks_op){pair->family, STELE_ROCKS_DELETE, stele_view_buf(key), {NULL, 0}};
    ops[0] = ops[1];
    switch (change->kind) {
    case TAMPER_FLIP:
        value->data[change->offset] ^= (uint8_t)(1u << change->bit);
        ops[0] = put(pair->family, stele_view_buf(key), stele_view_buf(value));
        break;
    case TAMPER_CUT:
        ops[0] = put(pair->family, stele_view_buf(key), stele_view_of(value->data, change->offset));
        break;
    case TAMPER_APPEND:
        assert_ok(stele_buf_append(value, stele_view_str("x"), &err));
        ops[0] = put(pair->family, stele_view_buf(key), stele_view_buf(value));
        break;
    case TAMPER_TWICE:
        assert_ok(stele_buf_reserve(value, value->size, &err));
        assert_ok(stele_buf_append(value, stele_view_of(value->data, value->size), &err));
        ops[0] = put(pair->family, stele_view_buf(key), stele_view_buf(value));
        break;
    case TAMPER_SWAP:
    case TAMPER_REPLACE:
        if (walk.key[1].size == 0 || bed->pair[change->n + 1].family != pair->family) {
            break; /* the last of its family is deleted instead */
        }
        ops[0] = put(pair->family, stele_view_buf(key), stele_view_buf(&walk.value[1]));
        ops[1] = put(pair->family, stele_view_buf(&walk.key[1]), stele_view_buf(value));
        n = change->kind == TAMPER_SWAP ? 2 : 1;
        break;
    case TAMPER_FLIP_KEY: {
        stele_buf other = STELE_BUF_EMPTY;
        assert_ok(stele_buf_append(&other, stele_view_buf(key), &err));
        other.data[change->offset] ^= (uint8_t)(1u << change->bit);
        ops[0] = put(pair->family, stele_view_buf(&other), stele_view_buf(value));
        n = 2;
        assert_ok(stele_rocks_write(rocks, ops, n, STELE_SYNCED, &err));
        stele_buf_done(&other);
        n = 0;
        break;
    }
    case TAMPER_DELETE:
    case TAMPER_NOTHING:
    case TAMPER_KINDS:
        break;
    }
    if (n > 0) {
        assert_ok(stele_rocks_write(rocks, ops, n, STELE_SYNCED, &err));
    }
    stele_rocks_close(rocks);
    for (size_t i = 0; i < 2; i++) {
        stele_buf_done(&walk.key[i]);
        stele_buf_done(&walk.value[i]);
    }
}

/* ------------------------------------------------------------------ files */

static void list_files(struct tamper_bed *bed, const char *dir, const char *under) {
    struct dirent **names = NULL;
    char path[TAMPER_PATH_MAX * 2];
    (void)snprintf(path, sizeof path, "%.200s/%.250s", dir, under);
    int n = scandir(path, &names, NULL, alphasort);
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        char name[TAMPER_PATH_MAX * 2];
        struct stat info;
        (void)snprintf(name, sizeof name, "%.120s%s%.120s", under, under[0] != '\0' ? "/" : "",
                       names[i]->d_name);
        (void)snprintf(path, sizeof path, "%.200s/%.250s", dir, name);
        assert_int_equal(stat(path, &info), 0);
        if (S_ISDIR(info.st_mode) && names[i]->d_name[0] != '.') {
            list_files(bed, dir, name);
        } else if (S_ISREG(info.st_mode)) {
            assert_true(bed->n_files < TAMPER_FILES_MAX);
            struct tamper_file *file = &bed->file[bed->n_files++];
            (void)snprintf(file->path, sizeof file->path, "%.250s", name);
            file->size = (size_t)info.st_size;
        }
        free(names[i]);
    }
    free(names);
}

static void write_file(const char *path, const stele_buf *bytes) {
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(bytes->size == 0 || write(fd, bytes->data, bytes->size) == (ssize_t)bytes->size);
    assert_int_equal(close(fd), 0);
}

/* The next file of the same folder; itself if there is none. */
static size_t neighbour(const struct tamper_bed *bed, size_t n) {
    const char *slash = strrchr(bed->file[n].path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - bed->file[n].path) + 1;
    bool same =
        n + 1 < bed->n_files && strncmp(bed->file[n].path, bed->file[n + 1].path, folder) == 0;
    return same ? n + 1 : n;
}

static void change_file(const struct tamper_bed *bed, const char *dir,
                        const struct tamper_change *change) {
    char path[TAMPER_PATH_MAX * 2];
    char other_path[TAMPER_PATH_MAX * 2];
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf other = STELE_BUF_EMPTY;
    (void)snprintf(path, sizeof path, "%.200s/%.250s", dir, bed->file[change->n].path);
    (void)snprintf(other_path, sizeof other_path, "%.200s/%.250s", dir,
                   bed->file[neighbour(bed, change->n)].path);
    assert_ok(stele_file_read(path, SIZE_MAX / 2, &bytes, NULL));
    assert_ok(stele_file_read(other_path, SIZE_MAX / 2, &other, NULL));
    switch (change->kind) {
    case TAMPER_FLIP:
    case TAMPER_FLIP_KEY:
        bytes.data[change->offset] ^= (uint8_t)(1u << change->bit);
        break;
    case TAMPER_CUT:
        bytes.size = change->offset;
        break;
    case TAMPER_APPEND:
        assert_ok(stele_buf_append(&bytes, stele_view_str("x"), NULL));
        break;
    case TAMPER_TWICE:
        assert_ok(stele_buf_reserve(&bytes, bytes.size, NULL));
        assert_ok(stele_buf_append(&bytes, stele_view_of(bytes.data, bytes.size), NULL));
        break;
    case TAMPER_SWAP:
        write_file(other_path, &bytes);
        write_file(path, &other);
        break;
    case TAMPER_REPLACE:
        write_file(path, &other);
        break;
    case TAMPER_DELETE:
        assert_int_equal(remove(path), 0);
        break;
    case TAMPER_NOTHING:
    case TAMPER_KINDS:
        break;
    }
    if (change->kind <= TAMPER_TWICE || change->kind == TAMPER_FLIP_KEY) {
        write_file(path, &bytes);
    }
    stele_buf_done(&bytes);
    stele_buf_done(&other);
}

/* ------------------------------------------------------------------ one trial */

static void look(const char *dir, bool for_writing, struct outcome *ret) {
    struct fixture f = {.pack_entries = 256, .quiet = true, .never_create = true};
    struct stele_fsck_report report;
    stele_err err = {0};
    (void)snprintf(f.dir, sizeof f.dir, "%s", dir);
    atomic_store(&f.now_us, FIXTURE_START_US + UINT64_C(86400000000) * 20);
    ret->opened = fixture_try_open(&f, !for_writing, &err);
    if (ret->opened == STELE_OK) {
        ret->answered = store_answers(f.store, KEYS_EVERY, ret->answers, &err);
        (void)snprintf(ret->text, sizeof ret->text, "%s",
                       ret->answered != STELE_OK ? err.text : "");
        ret->checked = for_writing ? STELE_OK : stele_fsck(f.store, NULL, NULL, &report, &err);
        fixture_close(&f);
    }
    if (ret->opened != STELE_OK || (ret->answered == STELE_OK && ret->checked != STELE_OK)) {
        (void)snprintf(ret->text, sizeof ret->text, "%s", err.text);
    }
    ret->done = true;
}

void tamper_be_a_child(void) {
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
}

/* Runs what `task` says in a process of its own. */
enum task { MAKE, LIST, LOOK };

static int run(struct tamper_bed *bed, enum task task, const char *dir) {
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tamper_be_a_child();
        (void)alarm(HANG_SECONDS);
        if (task == MAKE) {
            make_store(dir);
        } else if (task == LIST) {
            list_pairs(bed, dir);
        } else {
            look(dir, false, &bed->whole);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

struct tamper_bed *tamper_bed_make(void) {
    struct tamper_bed *bed = shared_bed();
    char whole[80];
    char copy[80];
    /* In memory, where there is such a folder: a hundred thousand stores are made and removed. */
    bool memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(bed->dir, sizeof bed->dir, "%s/stele-tamper-XXXXXX",
                   memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(bed->dir));
    (void)snprintf(whole, sizeof whole, "%s/whole", bed->dir);
    (void)snprintf(copy, sizeof copy, "%s/copy", bed->dir);
    assert_int_equal(run(bed, MAKE, whole), 0);
    list_files(bed, whole, "");
    copy_tree(whole, copy);
    assert_int_equal(run(bed, LIST, copy), 0);
    remove_tree(copy);
    copy_tree(whole, copy);
    assert_int_equal(run(bed, LOOK, copy), 0);
    remove_tree(copy);
    assert_true(bed->whole.done && bed->whole.answered == STELE_OK &&
                bed->whole.checked == STELE_OK);
    return bed;
}

void tamper_bed_free(struct tamper_bed *bed) {
    remove_tree(bed->dir);
    (void)munmap(bed, sizeof *bed);
}

size_t tamper_files(const struct tamper_bed *bed, const struct tamper_file **ret) {
    *ret = bed->file;
    return bed->n_files;
}

size_t tamper_pairs(const struct tamper_bed *bed, const struct tamper_pair **ret) {
    *ret = bed->pair;
    return bed->n_pairs;
}

static tamper_fate fate_of(const struct tamper_bed *bed, const struct outcome *outcome,
                           bool for_writing) {
    if (outcome->opened != STELE_OK) {
        return TAMPER_NOT_OPENED;
    }
    if (outcome->answered != STELE_OK) {
        return for_writing || outcome->checked != STELE_OK ? TAMPER_READ_REFUSED
                                                           : TAMPER_UNSEEN_BY_FSCK;
    }
    if (memcmp(outcome->answers, bed->whole.answers, sizeof outcome->answers) != 0) {
        return TAMPER_OTHER_ANSWER;
    }
    return outcome->checked != STELE_OK ? TAMPER_FSCK_REFUSED : TAMPER_UNCHANGED;
}

tamper_fate tamper_try(struct tamper_bed *bed, size_t worker, const struct tamper_change *change,
                       char ret_text[STELE_AT_LEAST(300)]) {
    struct outcome outcome = {.done = false};
    char whole[80];
    char copy[80];
    (void)alarm(HANG_SECONDS);
    (void)snprintf(whole, sizeof whole, "%s/whole", bed->dir);
    (void)snprintf(copy, sizeof copy, "%s/copy%zu", bed->dir, worker);
    remove_files(copy); /* of a process that crashed */
    copy_tree(whole, copy);
    if (change->is_pair) {
        change_pair(bed, copy, change);
    } else {
        change_file(bed, copy, change);
    }
    look(copy, change->for_writing, &outcome);
    remove_files(copy);
    (void)snprintf(ret_text, 300, "%s", outcome.text);
    return fate_of(bed, &outcome, change->for_writing);
}
