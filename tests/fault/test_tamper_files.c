/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_tamper_files.c: whatever is changed in a region's folder, be it a file or a pair
 * in the database written there by somebody who can, the store does not open, or a read and fsck
 * refuse, or every answer is the same (I4). Never another answer, and never a crash. STELE_SOAK=1:
 * every byte of all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fault/tamper_trial.h"

#define WORKERS 2
#define FLIPS_OF_FILES 200 /* of a default run */
#define FLIPS_OF_PAIRS 120
#define KEPT_BAD 20

/* A process opens so many stores, one after the other, and then a whole one, to show that it still
 * can. */
#define TRIALS_A_PROCESS 256

struct tally {
    size_t fate[TAMPER_FATES];
    size_t at;  /* the change under way */
    bool ended; /* there are no more */
    char bad[KEPT_BAD][600];
    size_t n_bad;
};

static struct tamper_bed *bed;
static struct tally *tally; /* one a worker, in shared memory */

static const char *const kinds[TAMPER_KINDS] = {"nothing", "flip",    "cut",    "append",  "twice",
                                                "swap",    "replace", "delete", "flip key"};
static const char *const fates[TAMPER_FATES] = {
    "crashed",    "ANOTHER ANSWER", "refused by a read, not by fsck",
    "not opened", "a read refused", "fsck refused",
    "unchanged"};

static void tell_sizes(void) {
    const struct tamper_file *file = NULL;
    const struct tamper_pair *pair = NULL;
    size_t n_files = tamper_files(bed, &file);
    size_t n_pairs = tamper_pairs(bed, &pair);
    size_t bytes[2] = {0, 0};
    for (size_t i = 0; i < n_files; i++) {
        bytes[0] += file[i].size;
    }
    for (size_t i = 0; i < n_pairs; i++) {
        bytes[1] += pair[i].key_size + pair[i].value_size;
    }
    print_message("%zu files of %zu bytes, %zu pairs of %zu bytes\n", n_files, bytes[0], n_pairs,
                  bytes[1]);
}

static int make(void **state) {
    (void)state;
    bed = tamper_bed_make();
    tell_sizes();
    tally = mmap(NULL, WORKERS * sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    return tally == MAP_FAILED;
}

static int drop(void **state) {
    (void)state;
    tamper_bed_free(bed);
    (void)munmap(tally, WORKERS * sizeof *tally);
    return 0;
}

static const char *name_of(const struct tamper_change *change) {
    const struct tamper_file *file = NULL;
    const struct tamper_pair *pair = NULL;
    (void)tamper_files(bed, &file);
    (void)tamper_pairs(bed, &pair);
    return change->is_pair ? pair[change->n].name : file[change->n].path;
}

static void note(struct tally *t, tamper_fate fate, const struct tamper_change *change,
                 const char *text) {
    t->fate[fate]++;
    bool show = getenv("STELE_TAMPER_SHOW") != NULL && fate == TAMPER_UNCHANGED;
    const char *how = change->for_writing ? ", opened for writing" : "";
    if (show) {
        (void)fprintf(stderr, "%s: %s of %s at %zu.%u%s\n", fates[fate], kinds[change->kind],
                      name_of(change), change->offset, change->bit, how);
    }
    if (fate <= TAMPER_UNSEEN_BY_FSCK && t->n_bad < KEPT_BAD) {
        (void)snprintf(t->bad[t->n_bad++], sizeof t->bad[0], "%s: %s of %s at %zu.%u%s: %s",
                       fates[fate], kinds[change->kind], name_of(change), change->offset,
                       change->bit, how, text);
    }
}

typedef bool (*nth_change_fn)(size_t n, struct tamper_change *ret); /* false: there are no more */

/* In a process of its own: every other change from t->at on. */
static void try_some(size_t worker, nth_change_fn nth) {
    struct tally *t = &tally[worker];
    char text[300];
    tamper_be_a_child();
    for (size_t i = 0; i < TRIALS_A_PROCESS && !t->ended; i++) {
        struct tamper_change change = {.n = 0};
        if (nth(t->at, &change)) {
            note(t, tamper_try(bed, worker, &change, text), &change, text);
            t->at += WORKERS;
        } else {
            t->ended = true;
        }
    }
    assert_int_equal(tamper_try(bed, worker, &(struct tamper_change){.kind = TAMPER_NOTHING}, text),
                     TAMPER_UNCHANGED);
    _exit(0);
}

static pid_t start(size_t worker, nth_change_fn nth) {
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        try_some(worker, nth);
    }
    return child;
}

/* A process ended: what it did not survive is noted, and the next one goes on behind it. */
static void note_end(size_t worker, int status, nth_change_fn nth) {
    struct tally *t = &tally[worker];
    struct tamper_change change = {.n = 0};
    char text[300];
    if (status == 0) {
        return;
    }
    (void)snprintf(text, sizeof text, "wait status %#x: %.200s", (unsigned)status,
                   WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exited");
    if (!nth(t->at, &change)) {
        change = (struct tamper_change){.kind = TAMPER_NOTHING};
    }
    note(t, TAMPER_CRASHED, &change, text);
    t->at += WORKERS;
}

static void try_all(nth_change_fn nth) {
    pid_t child[WORKERS];
    size_t n_bad = 0;
    size_t left = WORKERS;
    memset(tally, 0, WORKERS * sizeof *tally);
    for (size_t worker = 0; worker < WORKERS; worker++) {
        tally[worker].at = worker;
        child[worker] = start(worker, nth);
    }
    while (left > 0) {
        int status = 1;
        pid_t ended = waitpid(-1, &status, 0);
        size_t worker = ended == child[0] ? 0 : 1;
        assert_int_equal(ended, child[worker]);
        note_end(worker, status, nth);
        if (tally[worker].ended) {
            left--;
        } else {
            child[worker] = start(worker, nth);
        }
    }
    for (size_t worker = 0; worker < WORKERS; worker++) {
        n_bad += tally[worker].n_bad;
        for (size_t i = 0; i < tally[worker].n_bad; i++) {
            print_error("%s\n", tally[worker].bad[i]);
        }
    }
    for (size_t i = 0; i < TAMPER_FATES; i++) {
        print_message("%6zu %s\n", tally[0].fate[i] + tally[1].fate[i], fates[i]);
    }
    assert_int_equal(n_bad, 0);
}

/* Bits and ways of opening vary with the place, the same in each run. */
static void vary(struct tamper_change *change, size_t n) {
    uint64_t mixed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    change->bit = (uint8_t)((mixed >> 40) % 8);
    change->for_writing = (mixed >> 50) % 4 == 0;
}

/* A place so that n of them are spread over all bytes, none twice; in a soak each byte once. */
static bool place_of(size_t n, size_t wanted, size_t total, size_t *ret) {
    size_t count = getenv("STELE_SOAK") != NULL || wanted > total ? total : wanted;
    *ret = n * total / count;
    return n < count;
}

/* What an empty place of ACKED holds is 0: a few of them stand for all. */
static size_t interesting(const struct tamper_file *file) {
    return strcmp(file->path, "ACKED") == 0 ? 4 * 64 : file->size;
}

static bool nth_flip_of_files(size_t n, struct tamper_change *ret) {
    const struct tamper_file *file = NULL;
    size_t n_files = tamper_files(bed, &file);
    size_t total = 0;
    size_t at = 0;
    for (size_t i = 0; i < n_files; i++) {
        total += interesting(&file[i]);
    }
    if (!place_of(n, FLIPS_OF_FILES, total, &at)) {
        return false;
    }
    while (at >= interesting(&file[ret->n])) {
        at -= interesting(&file[ret->n++]);
    }
    ret->kind = TAMPER_FLIP;
    ret->offset = at;
    vary(ret, n);
    return true;
}

static bool nth_flip_of_pairs(size_t n, struct tamper_change *ret) {
    const struct tamper_pair *pair = NULL;
    size_t n_pairs = tamper_pairs(bed, &pair);
    size_t total = 0;
    size_t at = 0;
    for (size_t i = 0; i < n_pairs; i++) {
        total += pair[i].key_size + pair[i].value_size;
    }
    if (!place_of(n, FLIPS_OF_PAIRS, total, &at)) {
        return false;
    }
    while (at >= pair[ret->n].key_size + pair[ret->n].value_size) {
        at -= pair[ret->n].key_size + pair[ret->n].value_size;
        ret->n++;
    }
    ret->is_pair = true;
    ret->kind = at < pair[ret->n].key_size ? TAMPER_FLIP_KEY : TAMPER_FLIP;
    ret->offset = at < pair[ret->n].key_size ? at : at - pair[ret->n].key_size;
    vary(ret, n);
    return true;
}

/* Cut to nothing, to a half and by a byte; grown; exchanged; gone: each file, or each pair. */
static bool nth_whole_change(bool is_pair, size_t count, size_t n, struct tamper_change *ret) {
    static const tamper_kind kind[] = {TAMPER_CUT,   TAMPER_CUT,  TAMPER_CUT,     TAMPER_APPEND,
                                       TAMPER_TWICE, TAMPER_SWAP, TAMPER_REPLACE, TAMPER_DELETE};
    const struct tamper_file *file = NULL;
    const struct tamper_pair *pair = NULL;
    size_t n_kinds = sizeof kind / sizeof kind[0];
    (void)tamper_files(bed, &file);
    (void)tamper_pairs(bed, &pair);
    if (n >= count * n_kinds) {
        return false;
    }
    ret->is_pair = is_pair;
    ret->n = n / n_kinds;
    ret->kind = kind[n % n_kinds];
    size_t size = is_pair ? pair[ret->n].value_size : file[ret->n].size;
    ret->offset = n % n_kinds == 0 || size == 0 ? 0 : n % n_kinds == 1 ? size / 2 : size - 1;
    ret->for_writing = n % 3 == 0;
    return true;
}

static bool nth_whole_file(size_t n, struct tamper_change *ret) {
    const struct tamper_file *file = NULL;
    return nth_whole_change(false, tamper_files(bed, &file), n, ret);
}

static bool nth_whole_pair(size_t n, struct tamper_change *ret) {
    const struct tamper_pair *pair = NULL;
    return nth_whole_change(true, tamper_pairs(bed, &pair), n, ret);
}

static void test_tamper_files__a_flipped_bit_of_any_file(void **state) {
    (void)state;
    try_all(nth_flip_of_files);
}

static void test_tamper_files__a_file_cut_grown_exchanged_or_gone(void **state) {
    (void)state;
    try_all(nth_whole_file);
}

static void test_tamper_files__a_flipped_bit_of_any_key_or_value(void **state) {
    (void)state;
    try_all(nth_flip_of_pairs);
}

static void test_tamper_files__a_pair_cut_grown_exchanged_or_gone(void **state) {
    (void)state;
    try_all(nth_whole_pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_files__a_flipped_bit_of_any_file),
        cmocka_unit_test(test_tamper_files__a_file_cut_grown_exchanged_or_gone),
        cmocka_unit_test(test_tamper_files__a_flipped_bit_of_any_key_or_value),
        cmocka_unit_test(test_tamper_files__a_pair_cut_grown_exchanged_or_gone),
    };
    return cmocka_run_group_tests_name("tamper_files", tests, make, drop);
}
