/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_broken.c: one call of the engine fails, for every call of a short life of a
 * store: opening, appending, packing, merging, signing, opening again. An append that fails is
 * refused with that status, what is acknowledged stays, reads go on, and the log goes on by itself.
 * What was refused may be there afterwards, whole: its record may have landed before its sync
 * failed.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fault/batch_book.h"
#include "tests/support/engine_fault.h"
#include "tests/support/engine_step.h"

#define MONTH_US (UINT64_C(86400000000) * 31)
/* A log that has not come back after so many tries of 10 ms does not come back. */
#define TRIES_MAX 1000
/* In the usual run, at most so many calls of one kind are failed: the first ones, then samples. */
#define CALLS_USUAL 6

static struct fixture f;
static struct book book;
static struct stele_engine *engine; /* the wrapper, while the store is open */
static size_t n_lives, n_struck, n_refused, n_adopted;
/* How often each operation was called in the halves of a life without a fault. */
static uint64_t calls[2][ENGINE_FAULT_OPS];

/* The step that fails, ENGINE_STEPS: none; and those that were met. */
static struct {
    size_t at;
    bool after, done;
    size_t n_met[ENGINE_STEPS + 1];
    pthread_mutex_t lock;
} step = {.at = ENGINE_STEPS, .lock = PTHREAD_MUTEX_INITIALIZER};

static stele_status meet_step(void *ctx, const char *name, bool after, stele_err *err) {
    size_t i = engine_step_find(name);
    (void)ctx;
    (void)pthread_mutex_lock(&step.lock);
    step.n_met[i]++;
    bool fails = i == step.at && i < ENGINE_STEPS && after == step.after && !step.done;
    step.done = step.done || fails;
    (void)pthread_mutex_unlock(&step.lock);
    return fails ? STELE_FAIL(err, IO, "'%s' was to fail", name) : STELE_OK;
}

static bool step_done(void) {
    (void)pthread_mutex_lock(&step.lock);
    bool done = step.done;
    (void)pthread_mutex_unlock(&step.lock);
    return done;
}

static void expect(const char *doing, stele_status st, const struct engine_fault *fault,
                   const stele_err *err) {
    if (fault == NULL || (st != fault->status && st != STELE_CLOSED)) {
        fail_msg("%s: %s: %s (%s)", doing, stele_status_name(st), err->text, err->where);
    }
}

static stele_status open_store(const struct engine_fault *fault, stele_err *err) {
    struct stele_engine *inner = NULL;
    stele_status st = stele_engine_rocks_open(f.dir, "eu-test", true, &inner, err);
    if (st != STELE_OK) {
        return st;
    }
    assert_ok(engine_fault_new(inner, &engine, NULL));
    engine_fault_set(engine, fault);
    engine_fault_watch(engine, meet_step, NULL);
    f.engine = engine;
    return fixture_try_open(&f, false, err);
}

/* A fault that hits the opening itself stops it, and the next opening works. */
static void open_with(const struct engine_fault *fault) {
    stele_err err;
    stele_status st = open_store(fault, &err);
    if (st != STELE_OK) {
        expect("open", st, fault, &err);
        n_struck++;
        st = open_store(NULL, &err);
    }
    if (st != STELE_OK) {
        fail_msg("open again: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
}

static void read_one(const struct engine_fault *fault) {
    stele_err err;
    stele_status st = book_read_one(&book, &f, &err);
    if (st != STELE_OK) {
        expect("read", st, fault, &err);
        assert_true(fault->op == ENGINE_FAULT_BLOB_GET || fault->op == ENGINE_FAULT_BLOB_SIZE);
    }
}

/* A refusal must name the fault or say CLOSED, and pass by itself. */
static void append(size_t n, const struct engine_fault *fault) {
    stele_err err;
    stele_status st = book_append(&book, &f, n, &err);
    for (size_t tries = 0; st != STELE_OK; tries++) {
        expect("append", st, tries < TRIES_MAX ? fault : NULL, &err);
        read_one(fault);
        (void)usleep(10000);
        st = book_append(&book, &f, 1, &err);
    }
    read_one(fault);
}

static void checkpoint(const struct engine_fault *fault) {
    struct stele_log *log = stele_store_log(f.store, "3y");
    struct stele_log_view *view = NULL;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    assert_ok(stele_log_view_open(log, &view, &err));
    stele_status st = stele_log_checkpoint(log, stele_log_view_size(view), &note, NULL, &err);
    for (size_t tries = 0; st != STELE_OK; tries++) {
        expect("checkpoint", st, tries < TRIES_MAX ? fault : NULL, &err);
        (void)usleep(10000);
        st = stele_log_checkpoint(log, stele_log_view_size(view), &note, NULL, &err);
    }
    stele_log_view_close(view);
    stele_buf_done(&note);
}

/* A few packs in two months, so that a merge follows. */
static void live(const struct engine_fault *fault) {
    append(10, fault);
    append(200, fault);
    checkpoint(fault);
    append(180, fault);
    append(1, fault);
    append(290, fault);
    atomic_fetch_add(&f.now_us, MONTH_US);
    append(60, fault);
    fixture_wait_packed(&f, "3y");
    checkpoint(fault);
    append(3, fault);
}

/* One life; the fault, if there is one, is in the half `half`. */
static void live_and_check(const struct engine_fault *fault, int half) {
    book_clear(&book);
    n_lives++;
    fixture_init(&f);
    f.quiet = fault != NULL;
    for (int i = 0; i < 2; i++) {
        open_with(i == half ? fault : NULL);
        live(i == half ? fault : NULL);
        for (int op = 0; fault == NULL && op < ENGINE_FAULT_OPS; op++) {
            calls[i][op] = engine_fault_calls(engine, (engine_fault_op)op);
        }
        n_struck += engine_fault_struck(engine) || step_done() ? 1 : 0;
        fixture_close(&f);
    }
    n_adopted += book_fsck(&book, &f);
    n_refused += book_n_refused(&book);
    fixture_done(&f);
}

/* Fails every call of one operation, or samples of them, once. */
static void sweep(engine_fault_op op, stele_status status, bool took_effect) {
    bool soak = getenv("STELE_SOAK") != NULL;
    for (int half = 0; half < 2; half++) {
        uint64_t last = calls[half][op] + 2; /* and those of closing */
        uint64_t n = soak || last < CALLS_USUAL ? last : CALLS_USUAL;
        for (uint64_t i = 0; i < n; i++) {
            bool sampled = n < last && i >= n / 2;
            struct engine_fault fault = {
                .op = op,
                .nth = sampled ? n / 2 + 1 + rng_below(&book.rng, last - n / 2) : i + 1,
                .status = status,
                .took_effect = took_effect};
            live_and_check(&fault, half);
        }
    }
}

static void test_broken__any_call_may_fail_once(void **state) {
    static const struct {
        engine_fault_op op;
        stele_status status;
        bool took_effect;
    } fault[] = {
        {ENGINE_FAULT_APPEND, STELE_NO_SPACE, false},
        {ENGINE_FAULT_APPEND, STELE_IO, true},
        {ENGINE_FAULT_CLAIM, STELE_IO, false},
        {ENGINE_FAULT_READ, STELE_IO, false},
        {ENGINE_FAULT_TRIM, STELE_IO, false},
        {ENGINE_FAULT_TRIM, STELE_IO, true},
        {ENGINE_FAULT_BLOB_BEGIN, STELE_NO_SPACE, false},
        {ENGINE_FAULT_BLOB_WRITE, STELE_NO_SPACE, false},
        {ENGINE_FAULT_BLOB_COMMIT, STELE_IO, false},
        {ENGINE_FAULT_BLOB_COMMIT, STELE_IO, true},
        {ENGINE_FAULT_BLOB_GET, STELE_IO, false},
        {ENGINE_FAULT_BLOB_SIZE, STELE_IO, false},
        {ENGINE_FAULT_BLOB_LIST, STELE_IO, false},
        {ENGINE_FAULT_BLOB_EXPIRE, STELE_IO, false},
        {ENGINE_FAULT_META_PUT, STELE_NO_SPACE, false},
        {ENGINE_FAULT_META_GET, STELE_IO, false},
    };
    (void)state;
    book.rng = rng_start("broken");
    live_and_check(NULL, 0);
    for (size_t i = 0; i < sizeof fault / sizeof fault[0]; i++) {
        sweep(fault[i].op, fault[i].status, fault[i].took_effect);
    }
    (void)printf("broken: %zu lives, %zu met the fault, %zu batches refused, %zu of them adopted\n",
                 n_lives, n_struck, n_refused, n_adopted);
    /* Calls of closing are not counted, and which call is the nth depends on the packer's moment.
     */
    assert_true(n_struck > n_lives / 2 && n_refused > 0 && n_adopted > 0);
}

/* The steps in which a store changes, each once, before and after it is made. */
static void test_broken__each_named_step_may_fail_once(void **state) {
    const struct engine_fault failing = {.op = ENGINE_FAULT_BLOB_GET, .status = STELE_IO};
    (void)state;
    book.rng = rng_start("broken steps");
    for (step.at = 0; step.at < ENGINE_STEPS; step.at++) {
        for (int after = 0; after < 2; after++) {
            step.after = after == 1;
            step.done = false;
            for (int half = 0; half < 2 && !step.done; half++) {
                live_and_check(&failing, half);
            }
            if (!step.done) {
                fail_msg("'%s' was never made", engine_step_names[step.at]);
            }
        }
        (void)printf("broken: %s, met %zu times\n", engine_step_names[step.at],
                     step.n_met[step.at]);
    }
    if (step.n_met[ENGINE_STEPS] > 0) {
        fail_msg("a step was made that has no name: name it in engine_step.c");
    }
    step.done = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken__any_call_may_fail_once),
        cmocka_unit_test(test_broken__each_named_step_may_fail_once),
    };
    int failures = cmocka_run_group_tests_name("broken", tests, NULL, NULL);
    book_done(&book);
    return failures;
}
