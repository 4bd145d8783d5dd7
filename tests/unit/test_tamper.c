/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_tamper.c: a changed bit anywhere in a store's blobs is refused by opening it or
 * by fsck, or changes no answer (I4). A store of several packs over the memory engine; every byte
 * of a smaller one with STELE_SOAK, else a seeded sample of each blob.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/fsck.h"
#include "tests/support/engine_memory.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_answers.h"
#include "tests/support/store_fixture.h"

#define N_EVENTS 700 /* ten a day: three months, each of two packs or one */
#define N_EVENTS_SMALL                                                                             \
    300 /* most in one day, which are two packs, then ten every fifteen days: each byte is tried   \
         */
#define WORKERS 2
#ifndef STELE_TRIES
#define STELE_TRIES 80 /* flips of each blob */
#endif
#define KEYS_EVERY 64 /* each 64th event's keys are looked up */

struct bed {
    struct fixture f;
    struct stele_engine *engine;
    struct stele_engine_ops ops; /* the memory engine's, but closing keeps it */
    const struct stele_engine_ops *own_ops;
    size_t n_events;
    stele_buf payload[N_EVENTS];
    char key[64][STELE_BLOB_KEY_MAX];
    size_t n_keys;
    uint8_t answers[32]; /* of the whole store */
};

static void keep(struct stele_engine *e) {
    (void)e;
}

static stele_status note_key(void *ctx, const char *key, stele_err *err) {
    struct bed *bed = ctx;
    (void)err;
    assert_true(bed->n_keys < 64);
    (void)snprintf(bed->key[bed->n_keys++], STELE_BLOB_KEY_MAX, "%s", key);
    return STELE_OK;
}

static stele_status try_open(struct bed *bed, bool read_only, stele_err *err) {
    engine_memory_restart(bed->engine, false);
    bed->f.engine = bed->engine;
    return fixture_try_open(&bed->f, read_only, err);
}

static struct bed *bed_make_of(size_t n_events) {
    static const uint64_t hour_us = UINT64_C(3600000000);
    struct bed *bed = calloc(1, sizeof *bed);
    bool small = n_events == N_EVENTS_SMALL;
    struct rng rng = rng_start("tamper");
    stele_err err = {0};
    fixture_init(&bed->f);
    assert_ok(engine_memory_new(&bed->engine, &err));
    bed->own_ops = bed->engine->ops;
    bed->ops = *bed->engine->ops;
    bed->ops.close = keep;
    bed->engine->ops = &bed->ops;
    assert_ok(try_open(bed, false, &err));
    bed->n_events = n_events;
    for (size_t i = 0; i < n_events; i++) {
        struct stele_gen_options options = {.region = "eu-test",
                                            .time_unix_nano = FIXTURE_START_US * 1000 + i};
        stele_gen_event(&rng, &options, &bed->payload[i]);
    }
    for (size_t i = 0; i < n_events; i += 10) {
        stele_view views[10];
        struct stele_batch_place place;
        for (size_t j = 0; j < 10; j++) {
            views[j] = stele_view_buf(&bed->payload[i + j]);
        }
        assert_ok(fixture_append(&bed->f, "3y", views, 10, &place, &err));
        atomic_fetch_add(&bed->f.now_us,
                         small ? hour_us * (i < n_events - 40 ? 1 : 15 * 24) : hour_us * 24);
    }
    fixture_wait_merged(&bed->f, "3y");
    fixture_close(&bed->f);
    assert_ok(bed->engine->ops->blob_list(bed->engine, "3y/", note_key, bed, &err));
    assert_true(bed->n_keys >= 8);
    assert_ok(try_open(bed, true, &err));
    assert_ok(store_answers(bed->f.store, KEYS_EVERY, bed->answers, &err));
    fixture_close(&bed->f);
    return bed;
}

static struct bed *bed_make(void) {
    return bed_make_of(N_EVENTS);
}

static void bed_free(struct bed *bed) {
    bed->engine->ops = bed->own_ops;
    bed->engine->ops->close(bed->engine);
    fixture_done(&bed->f);
    for (size_t i = 0; i < bed->n_events; i++) {
        stele_buf_done(&bed->payload[i]);
    }
    free(bed);
}

/* Opens, reads all and checks; true if the damage was found. What is read is what was stored, also
 * where nobody has checked before, and what a read refuses fsck refuses. */
static bool is_found(struct bed *bed) {
    struct stele_fsck_report report;
    uint8_t answers[32];
    stele_err err = {0};
    stele_err read_err = {0};
    stele_status st = try_open(bed, true, &err);
    if (st == STELE_OK) {
        stele_status read = store_answers(bed->f.store, KEYS_EVERY, answers, &read_err);
        st = stele_fsck(bed->f.store, NULL, NULL, &report, &err);
        if (read == STELE_OK && memcmp(answers, bed->answers, sizeof answers) != 0) {
            fail_msg("another answer; fsck: %s", st == STELE_OK ? "all holds" : err.text);
        }
        if (read != STELE_OK && st == STELE_OK) {
            fail_msg("fsck: all holds; a read: %s", read_err.text);
        }
        fixture_close(&bed->f);
    }
    if (st != STELE_OK && st != STELE_CORRUPT) {
        fail_msg("damage gives %s: %s", stele_status_name(st), err.text);
    }
    return st != STELE_OK;
}

static void test_tamper__a_whole_store_is_found_whole(void **state) {
    struct bed *bed = bed_make();
    (void)state;
    assert_false(is_found(bed));
    bed_free(bed);
}

struct flips {
    size_t n, unnoticed;
};

/* Each WORKERS-th flip of all blobs, from the first of this worker on. */
static void flip(struct bed *bed, size_t worker, struct flips *ret) {
    bool soak = getenv("STELE_SOAK") != NULL;
    struct rng rng = rng_start("flips");
    size_t turn = 0;
    for (size_t k = 0; k < bed->n_keys; k++) {
        stele_buf *blob = engine_memory_blob(bed->engine, bed->key[k]);
        size_t n = soak ? blob->size : STELE_TRIES;
        for (size_t i = 0; i < n; i++) {
            size_t at = soak ? i : rng_below(&rng, blob->size);
            uint8_t bit = (uint8_t)(1u << rng_below(&rng, 8));
            if (turn++ % WORKERS != worker) {
                continue;
            }
            blob->data[at] ^= bit;
            ret->unnoticed += is_found(bed) ? 0 : 1;
            blob->data[at] ^= bit;
            ret->n++;
        }
    }
    assert_false(is_found(bed));
}

static void test_tamper__a_flipped_bit_is_found_or_changes_nothing(void **state) {
    struct bed *bed = bed_make_of(getenv("STELE_SOAK") != NULL ? N_EVENTS_SMALL : N_EVENTS);
    struct flips *flips = mmap(NULL, WORKERS * sizeof *flips, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child[WORKERS];
    (void)state;
    assert_true(flips != MAP_FAILED);
    (void)fflush(NULL);
    for (size_t worker = 0; worker < WORKERS; worker++) {
        child[worker] =
            fork(); /* the store is closed: it has no threads, and its blobs are in memory */
        assert_true(child[worker] >= 0);
        if (child[worker] == 0) {
            (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
            flip(bed, worker, &flips[worker]);
            _exit(0);
        }
    }
    for (size_t worker = 0; worker < WORKERS; worker++) {
        int status = 1;
        assert_int_equal(waitpid(child[worker], &status, 0), child[worker]);
        assert_int_equal(status, 0);
    }
    size_t n = flips[0].n + flips[1].n;
    size_t unnoticed = flips[0].unnoticed + flips[1].unnoticed;
    print_message("%zu flips in %zu blobs, %zu changed nothing\n", n, bed->n_keys, unnoticed);
    /* Only bits that compression never reads may go unnoticed. */
    assert_true(unnoticed * 50 <= n);
    (void)munmap(flips, WORKERS * sizeof *flips);
    bed_free(bed);
}

static void test_tamper__a_cut_or_missing_blob_is_found(void **state) {
    struct bed *bed = bed_make();
    (void)state;
    for (size_t k = 0; k < bed->n_keys; k++) {
        stele_buf *blob = engine_memory_blob(bed->engine, bed->key[k]);
        size_t size = blob->size;
        blob->size = size - 1;
        assert_true(is_found(bed));
        blob->size = size / 2;
        assert_true(is_found(bed));
        blob->size = 0;
        assert_true(is_found(bed));
        blob->size = size;
    }
    assert_false(is_found(bed));
    bed_free(bed);
}

/* Two packs of one log exchanged: each is whole, but not in its place. */
static void test_tamper__exchanged_blobs_are_found(void **state) {
    struct bed *bed = bed_make();
    (void)state;
    for (size_t k = 0; k + 1 < bed->n_keys; k++) {
        stele_buf *a = engine_memory_blob(bed->engine, bed->key[k]);
        stele_buf *b = engine_memory_blob(bed->engine, bed->key[k + 1]);
        stele_buf swapped = *a;
        *a = *b;
        *b = swapped;
        assert_true(is_found(bed));
        swapped = *a;
        *a = *b;
        *b = swapped;
    }
    assert_false(is_found(bed));
    bed_free(bed);
}

static void put(struct bed *bed, const char *key, const stele_buf *bytes) {
    stele_err err = {0};
    assert_ok(stele_engine_put(bed->engine, key, stele_view_buf(bytes), NULL, &err));
}

static void drop(struct bed *bed, const char *key) {
    stele_err err = {0};
    assert_ok(bed->engine->ops->blob_expire(bed->engine, key, UINT64_MAX, &err));
}

static stele_buf copy_of(struct bed *bed, const char *key) {
    stele_buf copy = STELE_BUF_EMPTY;
    stele_err err = {0};
    assert_ok(stele_buf_append(&copy, stele_view_buf(engine_memory_blob(bed->engine, key)), &err));
    return copy;
}

/* Segments and seals hold nothing that the events do not say; what the newest unit holds may still
 * be in records too. Without such a blob the answers are the same. */
static bool may_be_missed(const struct bed *bed, const char *key) {
    const char *newest = bed->key[0];
    for (size_t k = 1; k < bed->n_keys; k++) {
        newest = strcmp(strrchr(bed->key[k], '/'), strrchr(newest, '/')) > 0 ? bed->key[k] : newest;
    }
    return strstr(key, "/i/") != NULL || strstr(key, "/s/") != NULL ||
           strcmp(strrchr(key, '/'), strrchr(newest, '/')) == 0;
}

static void test_tamper__a_blob_that_is_gone_is_found(void **state) {
    struct bed *bed = bed_make();
    (void)state;
    for (size_t k = 0; k < bed->n_keys; k++) {
        stele_buf bytes = copy_of(bed, bed->key[k]);
        drop(bed, bed->key[k]);
        if (!is_found(bed) && !may_be_missed(bed, bed->key[k])) {
            fail_msg("%s is gone, and nobody says so", bed->key[k]);
        }
        put(bed, bed->key[k], &bytes);
        stele_buf_done(&bytes);
    }
    assert_false(is_found(bed));
    bed_free(bed);
}

/* Each character of each name changed: the blob is missing where it belongs, and stands where none
 * does. */
static void test_tamper__a_blob_under_another_name_is_found(void **state) {
    struct bed *bed = bed_make();
    struct rng rng = rng_start("names");
    size_t step = getenv("STELE_SOAK") != NULL ? 1 : 5;
    (void)state;
    for (size_t k = 0; k < bed->n_keys; k++) {
        stele_buf bytes = copy_of(bed, bed->key[k]);
        for (size_t i = 0; i < strlen(bed->key[k]); i += step) {
            char other[STELE_BLOB_KEY_MAX];
            (void)strcpy(other, bed->key[k]);
            other[i] = "0123456789abcdhikpsxyz"[rng_below(&rng, 22)];
            if (strcmp(other, bed->key[k]) == 0 || engine_memory_blob(bed->engine, other) != NULL) {
                continue;
            }
            drop(bed, bed->key[k]);
            put(bed, other, &bytes);
            if (!is_found(bed) && !may_be_missed(bed, bed->key[k])) {
                fail_msg("%s under the name %s is not found", bed->key[k], other);
            }
            drop(bed, other);
            put(bed, bed->key[k], &bytes);
        }
        stele_buf_done(&bytes);
    }
    assert_false(is_found(bed));
    bed_free(bed);
}

/* A second copy under a free name is refused, or is nothing to anybody. */
static void test_tamper__a_blob_that_stands_twice_changes_nothing(void **state) {
    struct bed *bed = bed_make();
    size_t found = 0;
    (void)state;
    for (size_t k = 0; k < bed->n_keys; k++) {
        stele_buf bytes = copy_of(bed, bed->key[k]);
        for (size_t i = 0; i < strlen(bed->key[k]); i += 3) {
            char other[STELE_BLOB_KEY_MAX];
            (void)strcpy(other, bed->key[k]);
            other[i] = other[i] == '7' ? '8' : '7';
            if (engine_memory_blob(bed->engine, other) == NULL) {
                put(bed, other, &bytes);
                found += is_found(bed) ? 1 : 0;
                drop(bed, other);
            }
        }
        stele_buf_done(&bytes);
    }
    assert_true(found > 0);
    assert_false(is_found(bed));
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper__a_whole_store_is_found_whole),
        cmocka_unit_test(test_tamper__a_flipped_bit_is_found_or_changes_nothing),
        cmocka_unit_test(test_tamper__a_cut_or_missing_blob_is_found),
        cmocka_unit_test(test_tamper__exchanged_blobs_are_found),
        cmocka_unit_test(test_tamper__a_blob_that_is_gone_is_found),
        cmocka_unit_test(test_tamper__a_blob_under_another_name_is_found),
        cmocka_unit_test(test_tamper__a_blob_that_stands_twice_changes_nothing),
    };
    return cmocka_run_group_tests_name("tamper", tests, NULL, NULL);
}
