/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_query_workers.c: order, bounds, withdrawal, and that nothing queued is lost. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "query/workers.h"
#include "tests/support/cmocka.h"

#define JOBS 500

struct counted {
    struct stele_job job; /* first: a job is its counted */
    struct stele_workers *workers;
    _Atomic int runs;
    int again;
};

static void count(struct stele_job *job) {
    struct counted *c = (struct counted *)(void *)job;
    if (atomic_fetch_add(&c->runs, 1) < c->again) {
        assert_ok(stele_workers_submit(c->workers, job, NULL));
    }
}

/* Holds its worker until it is let go. */
struct gate {
    struct stele_job job;
    _Atomic int entered, open;
};

static void wait_at_gate(struct stele_job *job) {
    struct gate *gate = (struct gate *)(void *)job;
    atomic_store(&gate->entered, 1);
    while (atomic_load(&gate->open) == 0) {
        (void)sched_yield();
    }
}

static void enter(struct stele_workers *workers, struct gate *gate) {
    assert_ok(stele_workers_submit(workers, &gate->job, NULL));
    while (atomic_load(&gate->entered) == 0) {
        (void)sched_yield();
    }
}

static void test_workers__every_job_runs_as_often_as_it_was_submitted(void **state) {
    (void)state;
    static struct counted jobs[JOBS];
    struct stele_workers *workers = NULL;
    assert_ok(stele_workers_new(4, JOBS, &workers, NULL));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job = {.run = count}, .workers = workers, .again = i % 7};
        assert_ok(stele_workers_submit(workers, &jobs[i].job, NULL));
    }
    stele_workers_free(workers);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(atomic_load(&jobs[i].runs), 1 + i % 7);
    }
}

static void test_workers__a_full_queue_is_busy(void **state) {
    (void)state;
    struct stele_workers *workers = NULL;
    struct gate gate = {.job = {.run = wait_at_gate}};
    struct counted jobs[3] = {
        {.job = {.run = count}}, {.job = {.run = count}}, {.job = {.run = count}}};
    assert_ok(stele_workers_new(1, 2, &workers, NULL));
    enter(workers, &gate);
    assert_ok(stele_workers_submit(workers, &jobs[0].job, NULL));
    assert_ok(stele_workers_submit(workers, &jobs[1].job, NULL));
    assert_status(stele_workers_submit(workers, &jobs[2].job, NULL), BUSY);
    atomic_store(&gate.open, 1);
    stele_workers_free(workers);
    assert_int_equal(atomic_load(&jobs[0].runs) + atomic_load(&jobs[1].runs), 2);
    assert_int_equal(atomic_load(&jobs[2].runs), 0);
}

static void test_workers__help_is_taken_only_from_who_is_idle(void **state) {
    (void)state;
    struct stele_workers *workers = NULL;
    struct gate gate = {.job = {.run = wait_at_gate}};
    struct counted job = {.job = {.run = count}};
    assert_ok(stele_workers_new(1, 10, &workers, NULL));
    while (!stele_workers_submit_idle(workers, &gate.job)) {
        (void)sched_yield(); /* the thread has not come to wait yet */
    }
    while (atomic_load(&gate.entered) == 0) {
        (void)sched_yield();
    }
    assert_false(stele_workers_submit_idle(workers, &job.job));
    assert_false(stele_workers_withdraw(workers, &job.job));
    atomic_store(&gate.open, 1);
    stele_workers_free(workers);
    assert_int_equal(atomic_load(&job.runs), 0);
}

static void test_workers__a_waiting_job_can_be_withdrawn_a_running_one_not(void **state) {
    (void)state;
    struct stele_workers *workers = NULL;
    struct gate gate = {.job = {.run = wait_at_gate}};
    struct counted jobs[3] = {
        {.job = {.run = count}}, {.job = {.run = count}}, {.job = {.run = count}}};
    assert_ok(stele_workers_new(1, 10, &workers, NULL));
    enter(workers, &gate);
    for (int i = 0; i < 3; i++) {
        assert_ok(stele_workers_submit(workers, &jobs[i].job, NULL));
    }
    assert_true(stele_workers_withdraw(workers, &jobs[1].job));  /* from the middle */
    assert_false(stele_workers_withdraw(workers, &jobs[1].job)); /* gone already */
    assert_true(stele_workers_withdraw(workers, &jobs[2].job));  /* the last */
    assert_false(stele_workers_withdraw(workers, &gate.job));
    assert_ok(stele_workers_submit(workers, &jobs[2].job, NULL));
    atomic_store(&gate.open, 1);
    stele_workers_free(workers);
    assert_int_equal(atomic_load(&jobs[0].runs), 1);
    assert_int_equal(atomic_load(&jobs[1].runs), 0);
    assert_int_equal(atomic_load(&jobs[2].runs), 1);
}

static void test_workers__their_number_is_bounded(void **state) {
    (void)state;
    struct stele_workers *workers = NULL;
    assert_status(stele_workers_new(0, 1, &workers, NULL), INVALID);
    assert_status(stele_workers_new(65, 1, &workers, NULL), INVALID);
    stele_workers_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers__every_job_runs_as_often_as_it_was_submitted),
        cmocka_unit_test(test_workers__a_full_queue_is_busy),
        cmocka_unit_test(test_workers__help_is_taken_only_from_who_is_idle),
        cmocka_unit_test(test_workers__a_waiting_job_can_be_withdrawn_a_running_one_not),
        cmocka_unit_test(test_workers__their_number_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
