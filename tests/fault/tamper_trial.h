/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/tamper_trial.h: a small store made once; copies of it with one change each, and what
 * becomes of them: refused, or the same answers. The test itself opens none: no thread of the
 * database may live where others are forked from.
 */
#ifndef STELE_TESTS_FAULT_TAMPER_TRIAL_H
#define STELE_TESTS_FAULT_TAMPER_TRIAL_H

#include "storage/engine_rocks.h"
#include "tests/support/store_fixture.h"

#define TAMPER_FILES_MAX 128
#define TAMPER_PAIRS_MAX 256
#define TAMPER_PATH_MAX 256

typedef enum tamper_kind {
    TAMPER_NOTHING,
    TAMPER_FLIP,    /* one bit at `offset` */
    TAMPER_CUT,     /* the rest from `offset` on is gone */
    TAMPER_APPEND,  /* one byte more */
    TAMPER_TWICE,   /* its own bytes once more behind them */
    TAMPER_SWAP,    /* with the next one of the same folder or family */
    TAMPER_REPLACE, /* by a copy of the next one */
    TAMPER_DELETE,
    TAMPER_FLIP_KEY, /* of a pair: it stands under another key */
    TAMPER_KINDS
} tamper_kind;

/* One change: of a file, or of a pair in the database, by its number. */
struct tamper_change {
    bool is_pair;
    size_t n;
    tamper_kind kind;
    size_t offset;
    uint8_t bit;
    bool for_writing; /* opened as steled does; else as fsck does */
};
struct tamper_file {
    char path[TAMPER_PATH_MAX]; /* relative */
    size_t size;
};
struct tamper_pair {
    stele_rocks_family family;
    size_t key_size, value_size;
    char name[64]; /* for people */
};
typedef enum tamper_fate {
    TAMPER_CRASHED,        /* whoever waits for the process says so */
    TAMPER_OTHER_ANSWER,   /* what must never be */
    TAMPER_UNSEEN_BY_FSCK, /* a read refuses, fsck does not: nor must this be */
    TAMPER_NOT_OPENED,
    TAMPER_READ_REFUSED,
    TAMPER_FSCK_REFUSED, /* the answers are the same */
    TAMPER_UNCHANGED,
    TAMPER_FATES
} tamper_fate;

struct tamper_bed; /* opaque: the store, and shared memory with the processes */

/* In a process forked from a test: a failed assertion ends it, and does not go on with the next
 * test. */
void tamper_be_a_child(void);
struct tamper_bed *tamper_bed_make(void);
void tamper_bed_free(struct tamper_bed *bed);
size_t tamper_files(const struct tamper_bed *bed, const struct tamper_file **ret);
size_t tamper_pairs(const struct tamper_bed *bed, const struct tamper_pair **ret);
/* In a process that may crash, and does not fork. `worker`: names the copy; `ret_text`: the error.
 */
tamper_fate tamper_try(struct tamper_bed *bed, size_t worker, const struct tamper_change *change,
                       char ret_text[STELE_AT_LEAST(300)]);

#endif
