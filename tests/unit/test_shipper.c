/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_shipper.c: the shipper against a real server that refuses, stalls, breaks and
 * comes back: every event is reported once, in order, with its own place, and nothing waits for
 * ever.
 */
#include "tests/support/cmocka.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/append_wire.h"
#include "tests/support/append_fake.h"
#include "tools/shipper.h"

#define RUN_EVENTS 3000
/* Where no time should be waited at all: longer than a test may take, so that waiting fails it. */
#define PATIENCE_MS 600000

/* What was reported. Line n is event n - 1. */
struct run {
    struct append_fake *fake;
    struct stele_shipper *shipper;
    uint64_t n_reported;
    uint64_t n_stored, n_refused, n_duplicates;
};

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void report(void *ctx, const struct stele_shipped *shipped) {
    struct run *run = ctx;
    assert_int_equal(shipped->line, run->n_reported + 1);
    run->n_reported++;
    if (shipped->code != STELE_RPC_OK) {
        assert_int_equal(shipped->code, STELE_RPC_INVALID_ARGUMENT);
        assert_non_null(strstr(shipped->error, "refused"));
        run->n_refused++;
        return;
    }
    assert_string_equal(shipped->log, "eu/3y");
    (void)pthread_mutex_lock(&run->fake->lock);
    uint64_t seq = run->fake->seq[shipped->line - 1];
    (void)pthread_mutex_unlock(&run->fake->lock);
    assert_int_equal(shipped->seq, seq);
    assert_int_equal(shipped->log_time_unix_nano, seq * 1000);
    assert_true(shipped->decided_us >= shipped->sent_us && shipped->sent_us > 0);
    run->n_stored++;
    run->n_duplicates += shipped->duplicate ? 1 : 0;
}

static void begin(struct run *run, const struct append_fake_manner *manner,
                  const struct stele_shipper_options *options) {
    memset(run, 0, sizeof *run);
    run->fake = append_fake_start(manner);
    assert_ok(stele_shipper_open(run->fake->client, options, report, run, &run->shipper, NULL));
}

static void end(struct run *run) {
    stele_shipper_close(run->shipper);
    append_fake_free(run->fake);
}

/* What the fake's thread has counted so far is this thread's to read. */
static void look_at(struct append_fake *fake) {
    (void)pthread_mutex_lock(&fake->lock);
    (void)pthread_mutex_unlock(&fake->lock);
}

/* One event of 8 bytes and padding. */
static stele_status put(struct run *run, uint64_t number, size_t padding, stele_err *err) {
    static uint8_t payload[70000];
    assert_true(padding + sizeof number <= sizeof payload);
    memcpy(payload, &number, sizeof number);
    return stele_shipper_put(run->shipper, number + 1,
                             stele_view_of(payload, sizeof number + padding), err);
}

static void put_all(struct run *run, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        stele_err err = {.text = ""};
        if (put(run, i, 0, &err) != STELE_OK) {
            fail_msg("event %" PRIu64 ": %s", i, err.text);
        }
    }
}

/* Until the server has decided everything, however often a busy machine makes the shipper give up:
 * the next call has the whole time again. */
static void finish(struct run *run, uint64_t n) {
    stele_err err = {.text = ""};
    uint64_t line = 7;
    stele_status st = STELE_CLOSED;
    while (st == STELE_CLOSED) {
        st = stele_shipper_finish(run->shipper, &err);
    }
    if (st != STELE_OK) {
        fail_msg("finish: %s", err.text);
    }
    assert_int_equal(run->n_reported, n);
    assert_int_equal(stele_shipper_undecided(run->shipper, &line), 0);
    assert_int_equal(line, 0);
}

/* ------------------------------------------------------------------ in good order */

static void test_shipper__reports_each_event_in_its_place(void **state) {
    struct run run;
    (void)state;
    begin(&run, &(struct append_fake_manner){.refuse_every = 7},
          &(struct stele_shipper_options){.batch_events = 100});
    put_all(&run, RUN_EVENTS);
    finish(&run, RUN_EVENTS);
    assert_int_equal(run.n_refused, (RUN_EVENTS + 6) / 7);
    assert_int_equal(run.n_stored, RUN_EVENTS - run.n_refused);
    assert_int_equal(run.n_duplicates, 0);
    assert_int_equal(run.fake->n_streams, 1);
    assert_int_equal(run.fake->n_largest, 100);
    uint64_t before = 0;
    for (uint64_t i = 0; i < run.fake->next_seq; i++) { /* stored in the order of their lines */
        assert_true(i == 0 || run.fake->order[i] > before);
        before = run.fake->order[i];
    }
    end(&run);
}

static void test_shipper__lines_refused_before_sending_keep_their_place(void **state) {
    struct run run;
    (void)state;
    begin(&run, &(struct append_fake_manner){.silent = false}, &(struct stele_shipper_options){0});
    for (uint64_t i = 0; i < 1000; i++) {
        if (i % 3 == 1) {
            assert_ok(stele_shipper_put_refused(run.shipper, i + 1, STELE_RPC_INVALID_ARGUMENT,
                                                "refused here", NULL));
        } else {
            assert_ok(put(&run, i, 0, NULL));
        }
    }
    finish(&run, 1000);
    assert_int_equal(run.n_refused, 333);
    end(&run);
}

static void test_shipper__messages_stay_under_the_limit(void **state) {
    struct run run;
    (void)state;
    begin(&run, &(struct append_fake_manner){.silent = false},
          &(struct stele_shipper_options){.batch_events = 1000});
    for (uint64_t i = 0; i < 300; i++) {
        assert_ok(put(&run, i, 65536 - 8, NULL));
    }
    finish(&run, 300);
    assert_true(run.fake->bytes_largest <= STELE_APPEND_BYTES_MAX);
    assert_true(run.fake->bytes_largest > STELE_APPEND_BYTES_MAX - 70000);
    end(&run);
}

static void test_shipper__waits_only_while_something_is_outstanding(void **state) {
    struct run run;
    bool idle = false;
    (void)state;
    begin(&run, &(struct append_fake_manner){.silent = false},
          &(struct stele_shipper_options){.timeout_ms = PATIENCE_MS});
    assert_ok(stele_shipper_wait(run.shipper, PATIENCE_MS, &idle, NULL));
    assert_true(idle);
    for (uint64_t i = 0; i < 20; i++) {
        assert_ok(put(&run, i, 0, NULL));
        idle = false;
        while (!idle) { /* the acknowledgement ends the wait: the time is longer than any test's */
            assert_ok(stele_shipper_wait(run.shipper, PATIENCE_MS, &idle, NULL));
        }
        assert_int_equal(run.n_reported, i + 1);
    }
    end(&run);
}

/* ------------------------------------------------------------------ a server that cannot now */

static void test_shipper__asks_again_until_there_is_room(void **state) {
    struct run run;
    (void)state;
    begin(&run, &(struct append_fake_manner){.busy_times = 3, .refuse_every = 11},
          &(struct stele_shipper_options){.batch_events = 64, .window = 256});
    put_all(&run, 1000);
    finish(&run, 1000);
    assert_int_equal(run.n_refused, 91);
    assert_int_equal(run.fake->next_seq, run.n_stored);
    assert_int_equal(run.n_duplicates, 0);
    assert_int_equal(run.fake->n_streams, 1);
    end(&run);
}

static void test_shipper__a_broken_stream_loses_and_doubles_nothing(void **state) {
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        struct run run;
        begin(&run,
              &(struct append_fake_manner){.break_one_in = 4,
                                           .refuse_every = round % 2 == 0 ? 0 : 13,
                                           .busy_times = round / 2},
              &(struct stele_shipper_options){
                  .batch_events = 100, .window = 1000, .timeout_ms = PATIENCE_MS});
        (void)pthread_mutex_lock(&run.fake->lock);
        run.fake->rng.state += round;
        (void)pthread_mutex_unlock(&run.fake->lock);
        put_all(&run, RUN_EVENTS);
        finish(&run, RUN_EVENTS);
        assert_true(run.fake->n_streams > 2);
        assert_int_equal(run.fake->next_seq, run.n_stored); /* report compares each place */
        end(&run);
    }
}

static void test_shipper__a_server_that_restarts_goes_on(void **state) {
    struct run run;
    (void)state;
    begin(&run, &(struct append_fake_manner){.silent = false},
          &(struct stele_shipper_options){
              .batch_events = 50, .window = 200, .timeout_ms = PATIENCE_MS});
    for (uint64_t i = 0; i < 1000; i++) {
        if (i % 250 == 100) {
            append_fake_stop(run.fake);
            append_fake_restart(run.fake);
        }
        assert_ok(put(&run, i, 0, NULL));
    }
    finish(&run, 1000);
    assert_int_equal(run.fake->next_seq, 1000);
    end(&run);
}

/* ------------------------------------------------------------------ a server that never does */

/* The call has waited its time; that it ends at all is what the test's own timeout asks. */
static void has_waited(double start, double timeout_s) {
    double took = now_s() - start;
    if (took < timeout_s * 0.95) {
        fail_msg("ended after %.3f s, the timeout is %.3f s", took, timeout_s);
    }
}

static void test_shipper__gives_up_and_says_from_where(void **state) {
    const struct append_fake_manner manners[] = {
        {.silent = true}, {.late = true}, {.garbage = true}, {.busy_times = UINT32_MAX}};
    (void)state;
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++) {
        struct run run;
        stele_err err = {.text = ""};
        uint64_t line = 0;
        begin(&run, &(struct append_fake_manner){.silent = false},
              &(struct stele_shipper_options){.timeout_ms = 700});
        put_all(&run, 10);
        finish(&run, 10);
        append_fake_behave(run.fake, &manners[i]);
        double start = now_s();
        assert_ok(put(&run, 10, 0, &err));
        assert_ok(put(&run, 11, 0, &err));
        assert_status(stele_shipper_finish(run.shipper, &err), CLOSED);
        has_waited(start, 0.7);
        assert_non_null(strstr(err.text, "nothing was acknowledged for 700 ms"));
        assert_int_equal(stele_shipper_undecided(run.shipper, &line), 2);
        assert_int_equal(line, 11);
        assert_int_equal(run.n_reported, 10);
        end(&run);
    }
}

/* A sender that the transport holds is let go. */
static void test_shipper__a_server_that_reads_nothing_holds_nobody(void **state) {
    struct run run;
    stele_err err = {.text = ""};
    stele_status st = STELE_OK;
    (void)state;
    begin(&run, &(struct append_fake_manner){.deaf = true, .silent = true},
          &(struct stele_shipper_options){
              .timeout_ms = 1000, .window = 4096, .window_bytes = (size_t)256 << 20});
    double start = now_s();
    for (uint64_t i = 0; st == STELE_OK && i < 4096; i++) {
        st = put(&run, i, 60000, &err);
    }
    assert_status(st, CLOSED);
    has_waited(start, 1.0);
    assert_int_equal(run.n_reported, 0);
    end(&run);
}

static void test_shipper__the_window_is_bounded_in_events_and_bytes(void **state) {
    const struct {
        struct stele_shipper_options options;
        size_t padding;
        uint64_t fit;
    } cases[] = {{{.window = 64, .batch_events = 10, .timeout_ms = 300}, 0, 64},
                 {{.window_bytes = 100000, .batch_events = 4, .timeout_ms = 300}, 9992, 10},
                 {{.window_bytes = 5, .timeout_ms = 300}, 100, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run run;
        stele_err err = {.text = ""};
        uint64_t line = 0;
        begin(&run, &(struct append_fake_manner){.silent = true}, &cases[i].options);
        while (stele_shipper_undecided(run.shipper, &line) < cases[i].fit) {
            stele_status st = put(&run, 0, cases[i].padding, &err);
            assert_true(st == STELE_OK || st == STELE_CLOSED); /* a slow machine is late sooner */
        }
        assert_status(put(&run, 0, cases[i].padding, &err), CLOSED);
        assert_int_equal(stele_shipper_undecided(run.shipper, &line), cases[i].fit);
        end(&run);
    }
}

static void test_shipper__what_repeating_cannot_change_ends_at_once(void **state) {
    const stele_status statuses[] = {STELE_DENIED, STELE_INVALID, STELE_UNSUPPORTED, STELE_BUG,
                                     STELE_CORRUPT};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct run run;
        stele_err err = {.text = ""};
        begin(&run, &(struct append_fake_manner){.ends_with = statuses[i]},
              &(struct stele_shipper_options){.timeout_ms = PATIENCE_MS});
        assert_ok(put(&run, 0, 0, &err));
        assert_int_equal(stele_shipper_finish(run.shipper, &err), statuses[i]);
        assert_non_null(strstr(err.text, "the fake ends with"));
        look_at(run.fake);
        assert_int_equal(run.fake->n_streams, 1);
        end(&run);
    }
}

static void test_shipper__no_server_is_tried_until_the_timeout(void **state) {
    struct run run;
    stele_err err = {.text = ""};
    bool idle = false;
    (void)state;
    begin(&run, &(struct append_fake_manner){.silent = false},
          &(struct stele_shipper_options){.timeout_ms = 500});
    append_fake_stop(run.fake);
    double start = now_s();
    assert_ok(put(&run, 0, 0, &err));
    assert_status(stele_shipper_finish(run.shipper, &err), CLOSED);
    has_waited(start, 0.5);
    assert_non_null(strstr(err.text, "is steled running"));
    /* The same shipper goes on when the server is there: nothing was lost. */
    append_fake_restart(run.fake);
    finish(&run, 1);
    /* With nothing outstanding a server may be away for as long as it likes. */
    append_fake_stop(run.fake);
    for (start = now_s(); now_s() - start < 1.2;) {
        assert_ok(stele_shipper_wait(run.shipper, 100, &idle, &err));
        assert_true(idle);
        (void)nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    append_fake_restart(run.fake);
    assert_ok(put(&run, 1, 0, &err));
    finish(&run, 2);
    end(&run);
}

/* ------------------------------------------------------------------ a server of nonsense */

static void test_shipper__a_place_is_told_once(void **state) {
    struct run run;
    (void)state;
    begin(&run, &(struct append_fake_manner){.twice = true, .refuse_every = 5},
          &(struct stele_shipper_options){.batch_events = 16, .window = 32});
    put_all(&run, RUN_EVENTS);
    finish(&run, RUN_EVENTS);
    assert_int_equal(run.n_stored, run.fake->next_seq);
    end(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipper__reports_each_event_in_its_place),
        cmocka_unit_test(test_shipper__lines_refused_before_sending_keep_their_place),
        cmocka_unit_test(test_shipper__messages_stay_under_the_limit),
        cmocka_unit_test(test_shipper__waits_only_while_something_is_outstanding),
        cmocka_unit_test(test_shipper__asks_again_until_there_is_room),
        cmocka_unit_test(test_shipper__a_broken_stream_loses_and_doubles_nothing),
        cmocka_unit_test(test_shipper__a_server_that_restarts_goes_on),
        cmocka_unit_test(test_shipper__gives_up_and_says_from_where),
        cmocka_unit_test(test_shipper__a_server_that_reads_nothing_holds_nobody),
        cmocka_unit_test(test_shipper__the_window_is_bounded_in_events_and_bytes),
        cmocka_unit_test(test_shipper__what_repeating_cannot_change_ends_at_once),
        cmocka_unit_test(test_shipper__no_server_is_tried_until_the_timeout),
        cmocka_unit_test(test_shipper__a_place_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
