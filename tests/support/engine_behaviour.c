/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/engine_behaviour.c: running the promises of an engine, and those about its chains.
 */
#include "tests/support/engine_behaviour.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define TESTS_MAX 96

/* ---- helpers ---- */

struct outcome {
    stele_status st;
    stele_err *err;
    int calls;
};

static void note_outcome(void *arg, stele_status st, const stele_err *err) {
    struct outcome *outcome = arg;
    outcome->st = st;
    outcome->calls++;
    if (err != NULL && outcome->err != NULL) {
        *outcome->err = *err;
    }
}

stele_status engine_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                           stele_view record, stele_err *err) {
    struct outcome outcome = {STELE_BUG, err, 0};
    e->ops->append(e, log, epoch, pos, record, note_outcome, &outcome);
    assert_int_equal(outcome.calls, 1);
    return outcome.st;
}

static stele_status add_record(void *ctx, uint64_t pos, stele_view record, stele_err *err) {
    return stele_buf_printf(ctx, err, "%llu:%.*s;", (unsigned long long)pos, (int)record.size,
                            record.size == 0 ? "" : (const char *)record.data);
}

stele_status engine_read_text(struct stele_engine *e, const char *log, uint64_t from,
                              stele_buf *ret, uint64_t *ret_first, stele_err *err) {
    stele_buf_clear(ret);
    stele_status st = e->ops->read(e, log, from, add_record, ret, ret_first, err);
    return st == STELE_OK ? stele_buf_append(ret, stele_view_of("", 1), err) : st;
}

static stele_status add_key(void *ctx, const char *key, stele_err *err) {
    return stele_buf_printf(ctx, err, "%s;", key);
}

stele_status engine_list_text(struct stele_engine *e, const char *prefix, stele_buf *ret,
                              stele_err *err) {
    stele_buf_clear(ret);
    stele_status st = e->ops->blob_list(e, prefix, add_key, ret, err);
    return st == STELE_OK ? stele_buf_append(ret, stele_view_of("", 1), err) : st;
}

static uint64_t claim(struct stele_engine *e, const char *log, uint64_t expected_next) {
    uint64_t next = UINT64_MAX;
    uint64_t epoch = 0;
    assert_ok(e->ops->claim(e, log, &next, &epoch, NULL));
    assert_int_equal(next, expected_next);
    return epoch;
}

static void append_text(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                        const char *text) {
    assert_ok(engine_append(e, log, epoch, pos, stele_view_str(text), NULL));
}

static void assert_chain(struct stele_engine *e, const char *log, uint64_t from,
                         const char *expected, uint64_t expected_first) {
    stele_buf text = STELE_BUF_EMPTY;
    uint64_t first = UINT64_MAX;
    assert_ok(engine_read_text(e, log, from, &text, &first, NULL));
    assert_string_equal((const char *)text.data, expected);
    assert_int_equal(first, expected_first);
    stele_buf_done(&text);
}

/* ---- chains ---- */

static void first_claim_makes_an_empty_chain(struct engine_subject *s) {
    stele_buf text = STELE_BUF_EMPTY;
    assert_status(engine_read_text(s->engine, "a", 0, &text, NULL, NULL), NOT_FOUND);
    assert_int_equal(claim(s->engine, "a", 0), 1);
    assert_chain(s->engine, "a", 0, "", 0);
    assert_chain(s->engine, "a", 7, "", 0);
    stele_buf_done(&text);
}

static void records_come_back_in_order(struct engine_subject *s) {
    uint64_t epoch = claim(s->engine, "a", 0);
    append_text(s->engine, "a", epoch, 0, "zero");
    append_text(s->engine, "a", epoch, 1, "");
    append_text(s->engine, "a", epoch, 2, "two");
    assert_chain(s->engine, "a", 0, "0:zero;1:;2:two;", 0);
    assert_chain(s->engine, "a", 2, "2:two;", 0);
    assert_chain(s->engine, "a", 3, "", 0);
}

static void append_needs_a_claim(struct engine_subject *s) {
    assert_status(engine_append(s->engine, "a", 1, 0, stele_view_str("x"), NULL), CLOSED);
    assert_status(s->engine->ops->trim(s->engine, "a", 0, NULL), CLOSED);
}

static void a_wrong_position_is_refused_and_closes_nothing(struct engine_subject *s) {
    uint64_t epoch = claim(s->engine, "a", 0);
    append_text(s->engine, "a", epoch, 0, "x");
    assert_status(engine_append(s->engine, "a", epoch, 0, stele_view_str("y"), NULL), BUG);
    assert_status(engine_append(s->engine, "a", epoch, 2, stele_view_str("y"), NULL), BUG);
    append_text(s->engine, "a", epoch, 1, "z");
    assert_chain(s->engine, "a", 0, "0:x;1:z;", 0);
}

static void a_claim_fences_the_epoch_before(struct engine_subject *s) {
    uint64_t old = claim(s->engine, "a", 0);
    append_text(s->engine, "a", old, 0, "x");
    uint64_t new = claim(s->engine, "a", 1);
    assert_true(new > old);
    assert_status(engine_append(s->engine, "a", old, 1, stele_view_str("y"), NULL), CLOSED);
    append_text(s->engine, "a", new, 1, "z");
    assert_chain(s->engine, "a", 0, "0:x;1:z;", 0);
}

static void a_restart_keeps_records_and_raises_the_epoch(struct engine_subject *s) {
    uint64_t old = claim(s->engine, "a", 0);
    append_text(s->engine, "a", old, 0, "x");
    append_text(s->engine, "a", old, 1, "y");
    s->restart(s);
    assert_chain(s->engine, "a", 0, "0:x;1:y;", 0);
    assert_status(engine_append(s->engine, "a", old, 2, stele_view_str("z"), NULL), CLOSED);
    uint64_t new = claim(s->engine, "a", 2);
    assert_true(new > old);
    append_text(s->engine, "a", new, 2, "z");
    s->restart(s);
    assert_chain(s->engine, "a", 1, "1:y;2:z;", 0);
}

static void a_trim_moves_the_floor_and_never_back(struct engine_subject *s) {
    uint64_t epoch = claim(s->engine, "a", 0);
    for (uint64_t pos = 0; pos < 6; pos++) {
        append_text(s->engine, "a", epoch, pos, "r");
    }
    assert_ok(s->engine->ops->trim(s->engine, "a", 2, NULL));
    assert_chain(s->engine, "a", 0, "2:r;3:r;4:r;5:r;", 2);
    assert_ok(s->engine->ops->trim(s->engine, "a", 4, NULL));
    assert_ok(s->engine->ops->trim(s->engine, "a", 1, NULL));
    assert_chain(s->engine, "a", 5, "5:r;", 4);
    assert_status(s->engine->ops->trim(s->engine, "a", 7, NULL), BUG);
    assert_chain(s->engine, "a", 0, "4:r;5:r;", 4);
    append_text(s->engine, "a", epoch, 6, "s");
    s->restart(s);
    assert_chain(s->engine, "a", 0, "4:r;5:r;6:s;", 4);
}

static void positions_go_on_after_all_is_trimmed(struct engine_subject *s) {
    uint64_t epoch = claim(s->engine, "a", 0);
    append_text(s->engine, "a", epoch, 0, "x");
    append_text(s->engine, "a", epoch, 1, "y");
    assert_ok(s->engine->ops->trim(s->engine, "a", 2, NULL));
    assert_chain(s->engine, "a", 0, "", 2);
    s->restart(s);
    epoch = claim(s->engine, "a", 2);
    append_text(s->engine, "a", epoch, 2, "z");
    assert_chain(s->engine, "a", 0, "2:z;", 2);
}

static void logs_do_not_mix(struct engine_subject *s) {
    static const char *const logs[] = {"a", "a-b", "a-b-c", "aa", "b", "0"};
    char expected[8];
    for (size_t i = 0; i < 6; i++) {
        uint64_t epoch = claim(s->engine, logs[i], 0);
        char text[2] = {(char)('A' + i), '\0'};
        append_text(s->engine, logs[i], epoch, 0, text);
    }
    assert_ok(s->engine->ops->trim(s->engine, "a-b", 1, NULL));
    s->restart(s);
    for (size_t i = 0; i < 6; i++) {
        (void)snprintf(expected, sizeof expected, "0:%c;", (char)('A' + i));
        assert_chain(s->engine, logs[i], 0, i == 1 ? "" : expected, i == 1);
    }
}

static void a_record_over_the_limit_is_refused(struct engine_subject *s) {
    uint64_t epoch = claim(s->engine, "a", 0);
    uint8_t *large = stele_alloc(1, (size_t)STELE_RECORD_BYTES_MAX + 1);
    assert_non_null(large);
    assert_status(engine_append(s->engine, "a", epoch, 0,
                                stele_view_of(large, (size_t)STELE_RECORD_BYTES_MAX + 1), NULL),
                  LIMIT);
    assert_ok(engine_append(s->engine, "a", epoch, 0, stele_view_of(large, STELE_RECORD_BYTES_MAX),
                            NULL));
    assert_ok(s->engine->ops->trim(s->engine, "a", 1, NULL));
    stele_free(large);
}

static void log_names_are_checked(struct engine_subject *s) {
    static const char *const bad[] = {"",    "A",  "-a",  "a_b",
                                      "a/b", "..", "a.b", "a23456789012345678901234567890123"};
    uint64_t next = 0;
    uint64_t epoch = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_status(s->engine->ops->claim(s->engine, bad[i], &next, &epoch, NULL), INVALID);
        assert_status(s->engine->ops->view_apply(s->engine, bad[i], NULL, 0, NULL), INVALID);
    }
    (void)claim(s->engine, "a2345678901234567890123456789012", 0);
}

static stele_status stop_at_one(void *ctx, uint64_t pos, stele_view record, stele_err *err) {
    (void)record;
    *(uint64_t *)ctx = pos;
    return pos == 1 ? STELE_FAIL(err, END, "enough") : STELE_OK;
}

static void a_reader_can_stop(struct engine_subject *s) {
    uint64_t epoch = claim(s->engine, "a", 0);
    uint64_t seen = 99;
    uint64_t first = 99;
    for (uint64_t pos = 0; pos < 3; pos++) {
        append_text(s->engine, "a", epoch, pos, "r");
    }
    assert_status(s->engine->ops->read(s->engine, "a", 0, stop_at_one, &seen, &first, NULL), END);
    assert_int_equal(seen, 1);
    assert_int_equal(first, 99); /* on failure outputs stay as they were */
}

struct chained {
    struct stele_engine *engine;
    uint64_t epoch, next;
};

static void append_next(void *arg, stele_status st, const stele_err *err) {
    struct chained *c = arg;
    (void)err;
    assert_ok(st);
    if (c->next < 5) {
        uint64_t pos = c->next++;
        c->engine->ops->append(c->engine, "a", c->epoch, pos, stele_view_str("r"), append_next, c);
    }
}

static void done_may_append_again(struct engine_subject *s) {
    struct chained c = {s->engine, claim(s->engine, "a", 0), 0};
    append_next(&c, STELE_OK, NULL);
    assert_chain(s->engine, "a", 0, "0:r;1:r;2:r;3:r;4:r;", 0);
}

/* ---- threads ---- */

#define THREADS 4
#define RECORDS 60

struct worker {
    struct stele_engine *engine;
    char log[4];
    atomic_int *failures;
};

static stele_status count_record(void *ctx, uint64_t pos, stele_view record, stele_err *err) {
    uint64_t *n = ctx;
    (void)record;
    return pos == (*n)++
               ? STELE_OK
               : STELE_FAIL(err, BUG, "position %llu out of order", (unsigned long long)pos);
}

static void *work(void *arg) {
    struct worker *w = arg;
    struct stele_engine *e = w->engine;
    uint64_t next = 0;
    uint64_t epoch = 0;
    bool fine = e->ops->claim(e, w->log, &next, &epoch, NULL) == STELE_OK;
    for (uint64_t pos = 0; fine && pos < RECORDS; pos++) {
        char key[32];
        struct outcome outcome = {STELE_BUG, NULL, 0};
        const struct stele_view_kv kv = {stele_view_of(&pos, sizeof pos),
                                         stele_view_of(&pos, sizeof pos)};
        stele_buf body = STELE_BUF_EMPTY;
        uint64_t n = 0;
        (void)snprintf(key, sizeof key, "%s/%llu", w->log, (unsigned long long)pos);
        e->ops->append(e, w->log, epoch, pos, stele_view_str(key), note_outcome, &outcome);
        fine = outcome.calls == 1 && outcome.st == STELE_OK &&
               e->ops->view_apply(e, w->log, &kv, 1, NULL) == STELE_OK &&
               stele_engine_put(e, key, stele_view_str(key), NULL, NULL) == STELE_OK &&
               e->ops->blob_get(e, key, 0, 100, &body, NULL) == STELE_OK &&
               stele_view_is(stele_view_buf(&body), key) &&
               e->ops->read(e, w->log, 0, count_record, &n, NULL, NULL) == STELE_OK &&
               n == pos + 1 && (pos % 3 == 0 || e->ops->blob_expire(e, key, 0, NULL) == STELE_OK);
        stele_buf_done(&body);
    }
    if (!fine) {
        atomic_fetch_add(w->failures, 1);
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(struct engine_subject *s) {
    pthread_t thread[THREADS];
    struct worker worker[THREADS];
    atomic_int failures = 0;
    stele_buf keys = STELE_BUF_EMPTY;
    for (size_t i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){s->engine, {'t', (char)('0' + i), '\0'}, &failures};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    assert_int_equal(failures, 0);
    assert_ok(engine_list_text(s->engine, "t3/", &keys, NULL));
    assert_int_equal(strncmp((const char *)keys.data, "t3/0;t3/12;t3/15;", 17), 0);
    stele_buf_done(&keys);
}

#define BEHAVIOUR(name)                                                                            \
    { #name, name }
const struct engine_behaviour engine_behaviours_of_chains[] = {
    BEHAVIOUR(first_claim_makes_an_empty_chain),
    BEHAVIOUR(records_come_back_in_order),
    BEHAVIOUR(append_needs_a_claim),
    BEHAVIOUR(a_wrong_position_is_refused_and_closes_nothing),
    BEHAVIOUR(a_claim_fences_the_epoch_before),
    BEHAVIOUR(a_restart_keeps_records_and_raises_the_epoch),
    BEHAVIOUR(a_trim_moves_the_floor_and_never_back),
    BEHAVIOUR(positions_go_on_after_all_is_trimmed),
    BEHAVIOUR(logs_do_not_mix),
    BEHAVIOUR(a_record_over_the_limit_is_refused),
    BEHAVIOUR(log_names_are_checked),
    BEHAVIOUR(a_reader_can_stop),
    BEHAVIOUR(done_may_append_again),
    BEHAVIOUR(threads_do_not_disturb_each_other),
};
const size_t engine_behaviours_of_chains_n =
    sizeof engine_behaviours_of_chains / sizeof engine_behaviours_of_chains[0];

/* ---- running ---- */

struct planned {
    struct engine_subject subject;
    const struct engine_behaviour *behaviour;
    char name[96];
};

static int set_up(void **state) {
    struct planned *p = *state;
    p->subject.make(&p->subject);
    return 0;
}

static int tear_down(void **state) {
    struct planned *p = *state;
    p->subject.done(&p->subject);
    return 0;
}

static void check(void **state) {
    struct planned *p = *state;
    p->behaviour->check(&p->subject);
}

static size_t plan(struct planned *planned, struct CMUnitTest *tests, size_t at,
                   const struct engine_subject *subject, const struct engine_behaviour *behaviours,
                   size_t n) {
    for (size_t i = 0; i < n && at < TESTS_MAX; i++, at++) {
        planned[at].subject = *subject;
        planned[at].behaviour = &behaviours[i];
        (void)snprintf(planned[at].name, sizeof planned[at].name, "test_engine__%s",
                       behaviours[i].claim);
        tests[at] = (struct CMUnitTest){planned[at].name, check, set_up, tear_down, &planned[at]};
    }
    return at;
}

int engine_behaviour_run(const char *group, const struct engine_subject *subject,
                         const struct CMUnitTest *own, size_t n) {
    static struct planned planned[TESTS_MAX];
    static struct CMUnitTest tests[TESTS_MAX];
    size_t at = plan(planned, tests, 0, subject, engine_behaviours_of_chains,
                     engine_behaviours_of_chains_n);
    at =
        plan(planned, tests, at, subject, engine_behaviours_of_blobs, engine_behaviours_of_blobs_n);
    assert_true(at + n <= TESTS_MAX);
    for (size_t i = 0; i < n; i++) {
        tests[at++] = own[i];
    }
    return _cmocka_run_group_tests(group, tests, at, NULL, NULL);
}
