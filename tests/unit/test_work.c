/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_work.c: posted work runs once, in order or when due, and none is left behind. */
#include "ingest/work.h"
#include "storage/monotonic.h"
#include "tests/support/cmocka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct piece {
    struct stele_work work;
    struct stele_work_pool *pool;
    atomic_uint runs;
    unsigned again; /* how often it posts itself */
    unsigned order;
};
static atomic_uint counter;

static void run(struct stele_work *work) {
    struct piece *piece = (struct piece *)(void *)work;
    piece->order = atomic_fetch_add(&counter, 1);
    bool again = piece->again > 0;
    piece->again -= again;
    atomic_fetch_add(&piece->runs, 1);
    if (again) {
        stele_work_post(piece->pool, work);
    }
}

static void test_work__one_thread_keeps_the_order(void **state) {
    (void)state;
    static struct piece piece[1000];
    struct stele_work_pool *pool = NULL;
    assert_ok(stele_work_pool_new(1, &pool, NULL));
    atomic_store(&counter, 0);
    for (size_t i = 0; i < 1000; i++) {
        piece[i] = (struct piece){.work.run = run, .pool = pool};
        stele_work_post(pool, &piece[i].work);
    }
    stele_work_pool_free(pool);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(piece[i].runs, 1);
        assert_int_equal(piece[i].order, i);
    }
}

static void *post_many(void *arg) {
    struct piece *piece = arg;
    for (size_t i = 0; i < 500; i++) {
        stele_work_post(piece[i].pool, &piece[i].work);
    }
    return NULL;
}

static void test_work__free_runs_everything_also_what_it_posts(void **state) {
    (void)state;
    static struct piece piece[4][500];
    pthread_t thread[4];
    struct stele_work_pool *pool = NULL;
    assert_ok(stele_work_pool_new(3, &pool, NULL));
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < 500; i++) {
            piece[t][i] = (struct piece){.work.run = run, .pool = pool, .again = i % 4};
        }
        assert_int_equal(pthread_create(&thread[t], NULL, post_many, piece[t]), 0);
    }
    for (size_t t = 0; t < 4; t++) {
        assert_int_equal(pthread_join(thread[t], NULL), 0);
    }
    stele_work_pool_free(pool);
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < 500; i++) {
            assert_int_equal(piece[t][i].runs, 1 + i % 4);
        }
    }
}

static void test_work__later_is_not_before_its_time(void **state) {
    (void)state;
    struct stele_work_pool *pool = NULL;
    assert_ok(stele_work_pool_new(2, &pool, NULL));
    struct piece late = {.work.run = run, .pool = pool};
    struct piece soon = {.work.run = run, .pool = pool};
    atomic_store(&counter, 0);
    uint64_t start_us = stele_monotonic_us();
    stele_work_post_later(pool, &late.work, 60000);
    stele_work_post_later(pool, &soon.work, 20000);
    while (atomic_load(&soon.runs) == 0) {
        (void)usleep(200);
    }
    assert_true(stele_monotonic_us() - start_us >= 20000);
    while (atomic_load(&late.runs) == 0) {
        (void)usleep(200);
    }
    assert_true(stele_monotonic_us() - start_us >= 60000);
    assert_true(soon.order < late.order);
    stele_work_pool_free(pool);
}

static void test_work__free_does_not_wait_for_the_time(void **state) {
    (void)state;
    struct stele_work_pool *pool = NULL;
    assert_ok(stele_work_pool_new(2, &pool, NULL));
    struct piece late = {.work.run = run, .pool = pool};
    uint64_t start_us = stele_monotonic_us();
    stele_work_post_later(pool, &late.work, 60000000);
    stele_work_pool_free(pool);
    assert_int_equal(late.runs, 1);
    assert_true(stele_monotonic_us() - start_us < 30000000);
    stele_work_pool_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work__one_thread_keeps_the_order),
        cmocka_unit_test(test_work__free_runs_everything_also_what_it_posts),
        cmocka_unit_test(test_work__later_is_not_before_its_time),
        cmocka_unit_test(test_work__free_does_not_wait_for_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
