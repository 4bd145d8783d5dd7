/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_log_bounds.c: what one log takes: events and bytes of a batch, events that wait,
 * tenants; and clocks that step back, stand still and leap. What is over a bound is refused, and
 * what comes with it is not.
 */
#include <pthread.h>
#include <string.h>

#include "tests/support/engine_fault.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define YEAR_US (UINT64_C(86400000000) * 365)

static struct fixture f;
static struct rng rng;
static stele_buf payload[STELE_BATCH_EVENTS_MAX];

/* Appends are held back while `held`. */
static struct {
    bool held;
    pthread_mutex_t lock;
    pthread_cond_t moved;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static stele_status wait_at_gate(void *ctx, const char *step, bool after, stele_err *err) {
    (void)ctx;
    (void)after;
    (void)err;
    (void)pthread_mutex_lock(&gate.lock);
    bool entries = strncmp(step, "commit:", 7) == 0 || strncmp(step, "seal:", 5) == 0;
    while (gate.held && entries) {
        (void)pthread_cond_wait(&gate.moved, &gate.lock);
    }
    (void)pthread_mutex_unlock(&gate.lock);
    return STELE_OK;
}

static void hold(bool held) {
    (void)pthread_mutex_lock(&gate.lock);
    gate.held = held;
    (void)pthread_cond_broadcast(&gate.moved);
    (void)pthread_mutex_unlock(&gate.lock);
}

static int open_log(void **state) {
    struct stele_engine *inner = NULL;
    (void)state;
    fixture_init(&f);
    assert_ok(stele_engine_rocks_open(f.dir, "eu-test", true, &inner, NULL));
    assert_ok(engine_fault_new(inner, &f.engine, NULL));
    engine_fault_watch(f.engine, wait_at_gate, NULL);
    fixture_open(&f);
    return 0;
}

static int close_log(void **state) {
    (void)state;
    fixture_done(&f);
    for (size_t i = 0; i < STELE_BATCH_EVENTS_MAX; i++) {
        stele_buf_done(&payload[i]);
    }
    return 0;
}

static stele_view make_event(size_t i, const char *tenant, uint64_t event_us) {
    struct stele_gen_options options = {
        .region = "eu-test", .tenant = tenant, .time_unix_nano = event_us * 1000};
    stele_buf_clear(&payload[i]);
    stele_gen_event(&rng, &options, &payload[i]);
    return stele_view_buf(&payload[i]);
}

static void test_log_bounds__a_batch_has_a_thousand_events(void **state) {
    struct stele_batch *batch = NULL;
    stele_err err;
    (void)state;
    stele_view view = make_event(0, "acme", atomic_load(&f.now_us));
    assert_ok(stele_batch_new(stele_store_log(f.store, "3y"), &batch, NULL));
    for (size_t i = 0; i < STELE_BATCH_EVENTS_MAX; i++) {
        assert_ok(stele_batch_add(batch, view, NULL));
    }
    assert_status(stele_batch_add(batch, view, &err), LIMIT);
    assert_int_equal(stele_batch_count(batch), STELE_BATCH_EVENTS_MAX);
    stele_batch_free(batch);
}

static void test_log_bounds__an_event_has_64_kib(void **state) {
    struct stele_batch *batch = NULL;
    stele_err err;
    (void)state;
    uint8_t *bytes = calloc(1, STELE_PAYLOAD_BYTES_MAX + 1);
    assert_non_null(bytes);
    assert_ok(stele_batch_new(stele_store_log(f.store, "3y"), &batch, NULL));
    /* Refused for its size before anybody looks whether it is an event. */
    assert_status(stele_batch_add(batch, stele_view_of(bytes, STELE_PAYLOAD_BYTES_MAX + 1), &err),
                  LIMIT);
    assert_ok(stele_batch_add(batch, make_event(0, "acme", atomic_load(&f.now_us)), NULL));
    stele_batch_free(batch);
    free(bytes);
}

static _Atomic size_t n_stored;

static void count_stored(void *arg, stele_status st, const stele_err *err,
                         const struct stele_batch_place *place) {
    (void)arg;
    (void)err;
    n_stored += st == STELE_OK ? place->n : 0;
}

static void test_log_bounds__a_queue_that_is_full_takes_no_more(void **state) {
    const size_t batches_max = STELE_QUEUE_EVENTS_MAX / STELE_BATCH_EVENTS_MAX + 40;
    stele_err err;
    size_t n_taken = 0;
    stele_status st = STELE_OK;
    (void)state;
    n_stored = 0;
    stele_view view = make_event(0, "acme", atomic_load(&f.now_us));
    hold(true);
    for (size_t i = 0; st == STELE_OK && i < batches_max; i++) {
        struct stele_batch *batch = NULL;
        assert_ok(stele_batch_new(stele_store_log(f.store, "3y"), &batch, NULL));
        for (size_t j = 0; j < STELE_BATCH_EVENTS_MAX; j++) {
            assert_ok(stele_batch_add(batch, view, NULL));
        }
        st = stele_batch_submit(batch, count_stored, NULL, &err);
        n_taken += st == STELE_OK ? STELE_BATCH_EVENTS_MAX : 0;
        if (st != STELE_OK) {
            stele_batch_free(batch);
        }
    }
    hold(false);
    assert_int_equal(st, STELE_BUSY);
    /* Up to one record's worth has left the queue. */
    assert_in_range(n_taken, 1, STELE_QUEUE_EVENTS_MAX + 16384);
    fixture_close(&f);
    assert_int_equal(n_stored, n_taken);
}

static void test_log_bounds__a_log_has_so_many_tenants(void **state) {
    const size_t tenants = STELE_LOG_TENANTS_MAX + 1;
    struct stele_batch_place place;
    stele_err err;
    stele_status st = STELE_OK;
    size_t n = 0;
    (void)state;
    for (size_t first = 0; st == STELE_OK && first < tenants; first += 64) {
        stele_view view[64];
        n = tenants - first < 64 ? tenants - first : 64;
        for (size_t i = 0; i < n; i++) {
            char tenant[32];
            (void)snprintf(tenant, sizeof tenant, "tenant-%zu", first + i);
            view[i] = make_event(i, tenant, atomic_load(&f.now_us));
        }
        st = fixture_append(&f, "3y", view, n, &place, &err);
    }
    assert_int_equal(st, STELE_LIMIT);
    /* The others are served on. */
    stele_view known = make_event(0, "tenant-7", atomic_load(&f.now_us));
    assert_ok(fixture_append(&f, "3y", &known, 1, &place, NULL));
}

static uint64_t append_at(uint64_t now_us) {
    struct stele_batch_place place;
    stele_err err;
    atomic_store(&f.now_us, now_us);
    stele_view view = make_event(0, "acme", now_us);
    stele_status st = fixture_append(&f, "3y", &view, 1, &place, &err);
    if (st != STELE_OK) {
        fail_msg("%s (%s)", err.text, err.where);
    }
    return place.time_us;
}

static void test_log_bounds__log_time_never_falls(void **state) {
    (void)state;
    uint64_t now = append_at(FIXTURE_START_US + YEAR_US);
    assert_true(now == FIXTURE_START_US + YEAR_US);
    assert_true(append_at(now - YEAR_US) == now);           /* a step back */
    assert_true(append_at(now - YEAR_US) == now);           /* it stands still */
    assert_true(append_at(now + YEAR_US) == now + YEAR_US); /* a leap */
    fixture_close(&f);
    atomic_store(&f.now_us, now);
    fixture_open(&f);
    assert_true(append_at(now) == now + YEAR_US);
}

static void test_log_bounds__an_event_a_day_ahead_is_refused_alone(void **state) {
    struct stele_batch_place place;
    stele_err err;
    (void)state;
    uint64_t now = atomic_load(&f.now_us);
    stele_view view = make_event(0, "acme", now + UINT64_C(86400000000) * 2);
    assert_status(fixture_append(&f, "3y", &view, 1, &place, &err), INVALID);
    assert_non_null(strstr(err.text, "a day ahead"));
    (void)append_at(now);
}

#define BOUNDS_TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void) {
    rng = rng_start("log bounds");
    const struct CMUnitTest tests[] = {
        BOUNDS_TEST(test_log_bounds__a_batch_has_a_thousand_events),
        BOUNDS_TEST(test_log_bounds__an_event_has_64_kib),
        BOUNDS_TEST(test_log_bounds__a_queue_that_is_full_takes_no_more),
        BOUNDS_TEST(test_log_bounds__a_log_has_so_many_tenants),
        BOUNDS_TEST(test_log_bounds__log_time_never_falls),
        BOUNDS_TEST(test_log_bounds__an_event_a_day_ahead_is_refused_alone),
    };
    return cmocka_run_group_tests_name("log bounds", tests, NULL, NULL);
}
