/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_recall_fill.c: a window filled at a start holds the newest events of all logs,
 * where they are, and as many as it can.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/recall.h"
#include "proto/event.h"
#include "tests/support/query_bed.h"

#define EVENTS 20000 /* several chunks of a log */

static struct bed bed;

static int newest_first(const void *a, const void *b) {
    const struct bed_event *left = *(const struct bed_event *const *)a;
    const struct bed_event *right = *(const struct bed_event *const *)b;
    return (left->time_us < right->time_us) - (left->time_us > right->time_us);
}

/* Clients' events, newest first. */
static size_t list_events(const struct bed_event *ret[EVENTS]) {
    size_t n = 0;
    for (size_t i = 0; i < bed.n; i++) {
        if (strcmp(bed.event[i].log, "system") != 0) {
            ret[n++] = &bed.event[i];
        }
    }
    qsort(ret, n, sizeof ret[0], newest_first);
    return n;
}

static bool is_remembered(struct stele_dedup *dedup, const struct bed_event *event) {
    struct stele_event_head head;
    struct stele_dedup_place place = {0, 0};
    stele_view payload = stele_view_buf(&event->payload);
    assert_ok(stele_event_check(payload, &head, NULL));
    struct stele_dedup_claim claim = {.key = {head.tenant, head.source_service, head.event_id, 0},
                                      .payload = payload};
    struct stele_dedup_key *keys[] = {&claim.key};
    stele_dedup_hash_many(dedup, keys, 1);
    if (stele_dedup_claim(dedup, &claim, NULL, NULL, 0, &place) == STELE_DEDUP_CLAIMED) {
        assert_null(stele_dedup_settle(dedup, &claim, NULL));
        return false;
    }
    assert_string_equal(stele_log_name(stele_store_log_at(bed.f.store, place.log)), event->log);
    assert_int_equal(place.seq, event->seq);
    return true;
}

/* Of events of one log time that do not all fit, any may be there. */
static void check_window(uint32_t window) {
    static const struct bed_event *event[EVENTS];
    struct stele_dedup *dedup = NULL;
    size_t n = list_events(event);
    size_t fits = window < n ? window : n;
    size_t n_there = 0;
    assert_ok(stele_dedup_new(window, &dedup, NULL));
    assert_ok(stele_recall_fill(bed.f.store, dedup, NULL));
    assert_int_equal(stele_dedup_remembered(dedup), fits);
    uint64_t oldest_us = event[fits - 1]->time_us;
    for (size_t i = 0; i < n; i++) {
        bool there = is_remembered(dedup, event[i]);
        assert_true(there || event[i]->time_us <= oldest_us);
        assert_true(!there || event[i]->time_us >= oldest_us);
        n_there += there ? 1 : 0;
    }
    assert_int_equal(n_there, fits);
    stele_dedup_free(dedup);
}

static void test_recall_fill__the_newest_events_are_remembered(void **state) {
    (void)state;
    bed_new(&bed, "recall_fill", EVENTS);
    static const uint32_t windows[] = {1, 2, 15, 16, 17, 1000, 8191, 8192, 12000, EVENTS, 1u << 20};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        check_window(windows[i]);
    }
    bed_done(&bed);
}

/* Nearly all entries are the log's own: the window is filled all the same. */
static void test_recall_fill__among_many_entries_that_are_no_events(void **state) {
    (void)state;
    bed_new(&bed, "recall_few", 400);
    for (size_t i = 0; i < 300; i++) {
        uint32_t era = 0;
        atomic_fetch_add(&bed.f.now_us, UINT64_C(86400000000)); /* cuts are rate-limited */
        assert_ok(stele_log_cut_era(stele_store_log(bed.f.store, "3y"), &era, NULL));
    }
    static const uint32_t windows[] = {1, 10, 300};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        check_window(windows[i]);
    }
    bed_done(&bed);
}

static void test_recall_fill__of_nothing(void **state) {
    (void)state;
    struct stele_dedup *dedup = NULL;
    bed_new(&bed, "recall_none", 0);
    assert_ok(stele_dedup_new(100, &dedup, NULL));
    assert_ok(stele_recall_fill(bed.f.store, dedup, NULL));
    assert_int_equal(stele_dedup_remembered(dedup), 0);
    stele_dedup_free(dedup);
    bed_done(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall_fill__the_newest_events_are_remembered),
        cmocka_unit_test(test_recall_fill__among_many_entries_that_are_no_events),
        cmocka_unit_test(test_recall_fill__of_nothing),
    };
    return cmocka_run_group_tests_name("recall_fill", tests, NULL, NULL);
}
