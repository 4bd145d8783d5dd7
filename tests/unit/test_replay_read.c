/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_replay_read.c: entries that are computed a frame at a time are those that are
 * read one by one, in whatever order they are asked for.
 */
#include <string.h>

#include "storage/log_parts.h"
#include "storage/replay.h"
#include "tests/support/audit_bed.h"

static struct audit_bed bed;
static struct stele_log_view *view;
static struct stele_log_reader *reader;
static struct stele_replay *replay;

static int start(void **state) {
    (void)state;
    audit_bed_start(&bed, "replay read");
    for (unsigned i = 0; i < 12; i++) {
        audit_bed_append(&bed, 60);
        audit_bed_live(&bed); /* eras, restarts, frames that are not full */
    }
    audit_bed_seal(&bed);
    fixture_wait_packed(&bed.f, "3y");
    assert_ok(stele_log_view_open(audit_bed_log_of(&bed), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    assert_ok(stele_replay_new(view, &replay, NULL));
    return 0;
}

static int stop(void **state) {
    (void)state;
    stele_replay_free(replay);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    fixture_done(&bed.f);
    return 0;
}

static void assert_same_facts(const struct stele_event_facts *a,
                              const struct stele_event_facts *b) {
    assert_true((a == NULL) == (b == NULL));
    if (a == NULL) {
        return;
    }
    assert_true(a->event_us == b->event_us && a->n_keys == b->n_keys);
    assert_true(stele_view_equal(a->tenant, b->tenant));
    for (size_t i = 0; i < a->n_keys; i++) {
        assert_true(a->key[i].field == b->key[i].field);
        assert_true(stele_view_equal(a->key[i].value, b->key[i].value));
    }
}

static void check(uint64_t seq) {
    struct stele_stored_entry one;
    struct stele_stored_entry of_many;
    assert_ok(stele_log_read(reader, seq, &one, NULL));
    assert_ok(stele_replay_read(replay, seq, &of_many, NULL));
    assert_int_equal(of_many.entry.type, one.entry.type);
    assert_true(of_many.entry.seq == seq && of_many.entry.time_us == one.entry.time_us);
    assert_int_equal(of_many.n_bytes, one.n_bytes);
    assert_memory_equal(of_many.bytes, one.bytes, one.n_bytes);
    assert_true(stele_view_equal(of_many.payload, one.payload));
    if (one.entry.type == STELE_ENTRY_EVENT) {
        assert_true(of_many.entry.as.event.event_us == one.entry.as.event.event_us);
        assert_memory_equal(of_many.salt, one.salt, sizeof one.salt);
        assert_memory_equal(of_many.ksalt, one.ksalt, sizeof one.ksalt);
    }
    assert_same_facts(of_many.facts, one.facts);
}

static void test_replay_read__gives_what_is_read_one_by_one(void **state) {
    uint64_t size = stele_log_view_size(view);
    (void)state;
    assert_true(size > 500);
    for (uint64_t step = 1; step <= 19; step += 3) { /* whole frames, most of them, one of each */
        for (uint64_t seq = 0; seq < size; seq += step) {
            check(seq);
        }
    }
    for (uint64_t seq = size; seq > 0; seq--) {
        check(seq - 1);
    }
    for (unsigned i = 0; i < 3000; i++) { /* runs here and there */
        uint64_t seq = rng_below(&bed.rng, size);
        for (uint64_t n = 1 + rng_below(&bed.rng, 40); n > 0 && seq < size; n--) {
            check(seq++);
        }
    }
}

static void test_replay_read__ends_where_the_view_ends(void **state) {
    struct stele_stored_entry entry;
    uint64_t size = stele_log_view_size(view);
    (void)state;
    assert_status(stele_replay_read(replay, size, &entry, NULL), NOT_FOUND);
    check(size - 1);
    assert_status(stele_replay_read(replay, size, &entry, NULL), NOT_FOUND);
    assert_status(stele_replay_read(replay, UINT64_MAX, &entry, NULL), NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replay_read__ends_where_the_view_ends, start, stop),
        cmocka_unit_test_setup_teardown(test_replay_read__gives_what_is_read_one_by_one, start,
                                        stop),
    };
    return cmocka_run_group_tests_name("replay read", tests, NULL, NULL);
}
