/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_head.c: the rules for what may come next in a log, each kept and each broken. */
#include "storage/head.h"

#include <string.h>

#include "storage/control.h"
#include "tests/support/cmocka.h"

#define T0 UINT64_C(1763776800000000) /* 2025-11-22 */
#define ERA (202511u * 100u)
#define NEXT_MONTH_US UINT64_C(1764547200000000) /* 2025-12-01 */

/* The CONTROL entry that `kind` and `body` make after `head`, as the committer builds it. */
static struct stele_entry control_after(const struct stele_head *head, stele_control_kind kind,
                                        uint32_t era, uint64_t time_us, stele_view body) {
    struct stele_head after;
    stele_err err;
    struct stele_entry entry = {.type = STELE_ENTRY_CONTROL,
                                .era = era,
                                .seq = head->frontier.size_leaves,
                                .time_us = time_us};
    assert_ok(stele_head_copy(head, &after, &err));
    assert_ok(stele_control_apply(kind, body, entry.seq, &after.state, &err));
    entry.as.control.kind = kind;
    entry.as.control.prev = head->control;
    entry.as.control.n_state = after.state.n;
    stele_hash_body(body, entry.as.control.body_digest);
    assert_ok(stele_state_root(&after.state, entry.as.control.state_root, &err));
    stele_head_done(&after);
    return entry;
}

static void take(struct stele_head *head, const struct stele_entry *entry, stele_view body) {
    uint8_t leaf[STELE_HASH_BYTES] = {0};
    stele_err err = {0};
    stele_status st = stele_head_admit(head, entry, head->frontier.size_leaves, body, &err);
    if (st != STELE_OK) {
        fail_msg("%s", err.text);
    }
    stele_frontier_push(&head->frontier, leaf);
}

static void make_bodies(stele_buf *genesis, stele_buf *epoch, uint32_t era) {
    uint8_t policy[STELE_HASH_BYTES] = {1};
    struct stele_tag_key key = {.commit = {2}};
    struct stele_event_map map = {.version = 1, .digest = {3}};
    stele_err err;
    assert_ok(stele_control_genesis_body("example.org/eu/3y", "eu", 3, policy, genesis, &err));
    assert_ok(stele_control_epoch_body(era, &key, &map, epoch, &err));
}

/* Genesis and EPOCH taken. */
static void start(struct stele_head *head) {
    stele_buf genesis = STELE_BUF_EMPTY;
    stele_buf epoch = STELE_BUF_EMPTY;
    stele_head_init(head);
    make_bodies(&genesis, &epoch, ERA);
    struct stele_entry entry =
        control_after(head, STELE_CONTROL_GENESIS, ERA, T0, stele_view_buf(&genesis));
    take(head, &entry, stele_view_buf(&genesis));
    entry = control_after(head, STELE_CONTROL_EPOCH, ERA, T0, stele_view_buf(&epoch));
    take(head, &entry, stele_view_buf(&epoch));
    stele_buf_done(&genesis);
    stele_buf_done(&epoch);
}

static struct stele_entry event_after(const struct stele_head *head) {
    struct stele_entry entry = {.type = STELE_ENTRY_EVENT,
                                .era = head->era,
                                .seq = head->frontier.size_leaves,
                                .time_us = head->time_us + 5};
    entry.as.event.retention_years = 3;
    entry.as.event.event_us = head->time_us;
    return entry;
}

static void refused(struct stele_head *head, const struct stele_entry *entry, stele_view body,
                    const char *why) {
    stele_err err = {0};
    assert_status(stele_head_admit(head, entry, head->frontier.size_leaves, body, &err), CORRUPT);
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, why);
    }
}

static void test_head__genesis_epoch_and_events_follow_each_other(void **state) {
    struct stele_head head;
    struct stele_epoch epoch;
    stele_view class_value;
    stele_err err;
    (void)state;
    start(&head);
    assert_int_equal(head.control, 1);
    assert_int_equal(head.era, ERA);
    assert_true(stele_state_get(&head.state, stele_view_str("class"), &class_value));
    assert_int_equal(class_value.data[0], 3);
    assert_ok(stele_control_epoch_of(&head.state, ERA, &epoch, &err));
    assert_int_equal(epoch.seq, 1);
    assert_int_equal(epoch.tag_key_commit[0], 2);
    struct stele_entry event = event_after(&head);
    take(&head, &event, stele_view_of(NULL, 0));
    assert_int_equal(head.time_us, T0 + 5);
    stele_head_done(&head);
}

static void test_head__what_breaks_a_rule_is_refused_with_the_rule(void **state) {
    struct stele_head head;
    stele_view none = stele_view_of(NULL, 0);
    (void)state;
    start(&head);
    struct stele_entry entry = event_after(&head);
    entry.seq++;
    refused(&head, &entry, none, "says it is entry");
    entry = event_after(&head);
    entry.time_us = T0 - 1;
    refused(&head, &entry, none, "falls below");
    entry = event_after(&head);
    entry.time_us = NEXT_MONTH_US;
    refused(&head, &entry, none, "not of the month");
    entry = event_after(&head);
    entry.era++;
    refused(&head, &entry, none, "the log is in era");
    entry = control_after(&head, STELE_CONTROL_TENANTS, ERA, T0, stele_view_of("\0\1\0\4acme", 8));
    refused(&head, &entry, stele_view_of("\0\1\0\4acmf", 8), "not the one its entry commits to");
    entry.as.control.prev = 0;
    refused(&head, &entry, stele_view_of("\0\1\0\4acme", 8), "as the one before");
    entry = control_after(&head, STELE_CONTROL_TENANTS, ERA, T0, stele_view_of("\0\1\0\4acme", 8));
    entry.as.control.state_root[5] ^= 1;
    struct stele_head copy;
    stele_err err;
    assert_ok(stele_head_copy(&head, &copy, &err));
    refused(&copy, &entry, stele_view_of("\0\1\0\4acme", 8), "state root");
    stele_head_done(&copy);
    stele_head_done(&head);
}

static void test_head__a_second_genesis_and_a_second_key_of_an_era_are_refused(void **state) {
    struct stele_head head;
    stele_buf genesis = STELE_BUF_EMPTY;
    stele_buf epoch = STELE_BUF_EMPTY;
    struct stele_state written;
    stele_err err;
    (void)state;
    start(&head);
    make_bodies(&genesis, &epoch, ERA);
    struct stele_entry entry = {.type = STELE_ENTRY_CONTROL, .era = ERA, .seq = 2, .time_us = T0};
    entry.as.control.kind = STELE_CONTROL_GENESIS;
    entry.as.control.prev = 1;
    refused(&head, &entry, stele_view_buf(&genesis), "genesis is entry 0");
    /* epoch/<era> is written once. */
    stele_state_init(&written);
    assert_ok(stele_control_apply(STELE_CONTROL_EPOCH, stele_view_buf(&epoch), 1, &written, &err));
    assert_status(
        stele_control_apply(STELE_CONTROL_EPOCH, stele_view_buf(&epoch), 9, &written, &err),
        EXISTS);
    stele_state_done(&written);
    stele_buf_done(&genesis);
    stele_buf_done(&epoch);
    stele_head_done(&head);
}

static void test_head__a_snapshot_goes_on_where_it_was_taken(void **state) {
    struct stele_head head;
    struct stele_head again;
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_err err;
    uint8_t root[STELE_HASH_BYTES];
    uint8_t root_again[STELE_HASH_BYTES];
    (void)state;
    start(&head);
    struct stele_entry event = event_after(&head);
    take(&head, &event, stele_view_of(NULL, 0));
    assert_ok(stele_head_encode(&head, &bytes, &err));
    assert_ok(stele_head_decode(stele_view_buf(&bytes), &again, &err));
    event = event_after(&head);
    take(&head, &event, stele_view_of(NULL, 0));
    take(&again, &event, stele_view_of(NULL, 0));
    stele_frontier_root(&head.frontier, root);
    stele_frontier_root(&again.frontier, root_again);
    assert_memory_equal(root, root_again, sizeof root);
    assert_int_equal(again.time_us, head.time_us);
    assert_int_equal(again.state.n, head.state.n);
    stele_head_done(&head);
    stele_head_done(&again);
    stele_buf_done(&bytes);
}

static struct stele_entry index_after(const struct stele_head *head, uint64_t covered,
                                      uint32_t n_segments) {
    struct stele_entry entry = {
        .type = STELE_ENTRY_INDEX, .seq = head->frontier.size_leaves, .time_us = head->time_us};
    entry.as.index.n_segments = n_segments;
    entry.as.index.covered = covered;
    entry.as.index.control = head->control;
    return entry;
}

static void test_head__an_index_follows_the_newest_control_and_covers_no_less(void **state) {
    struct stele_head head;
    stele_view list = stele_view_of("\1\1", 2);
    (void)state;
    start(&head);
    struct stele_entry entry = index_after(&head, 2, 2);
    take(&head, &entry, list);
    assert_int_equal(head.covered, 2);
    struct stele_entry event = event_after(&head);
    take(&head, &event, stele_view_of(NULL, 0));
    entry = index_after(&head, 1, 1);
    refused(&head, &entry, stele_view_of("\1", 1), "after one of 2");
    entry = index_after(&head, 2, 2);
    entry.as.index.control = 0;
    refused(&head, &entry, list, "names control entry 0");
    entry = index_after(&head, 2, 2);
    refused(&head, &entry, stele_view_of("\1\2", 2), "ends beyond entry 2");
    refused(&head, &entry, stele_view_of("\1", 1), "boundary list");
    entry.time_us = NEXT_MONTH_US;
    refused(&head, &entry, list, "before the EPOCH of its month");
    entry.time_us = head.time_us;
    take(&head, &entry, list);
    stele_head_done(&head);
}

static struct stele_entry epoch_after(const struct stele_head *head, uint32_t era, uint64_t time_us,
                                      stele_buf *body) {
    struct stele_tag_key key = {.commit = {7}};
    struct stele_event_map map = {.version = 1, .digest = {3}};
    stele_err err;
    stele_buf_clear(body);
    assert_ok(stele_control_epoch_body(era, &key, &map, body, &err));
    return control_after(head, STELE_CONTROL_EPOCH, era, time_us, stele_view_buf(body));
}

static void
test_head__an_era_is_the_next_cut_of_its_month_or_the_first_of_a_later_one(void **state) {
    struct stele_head head;
    stele_buf body = STELE_BUF_EMPTY;
    (void)state;
    start(&head);
    struct stele_entry entry = epoch_after(&head, ERA + 2, T0, &body);
    refused(&head, &entry, stele_view_buf(&body), "the log is in era");
    entry = epoch_after(&head, ERA + 101, NEXT_MONTH_US, &body);
    refused(&head, &entry, stele_view_buf(&body), "the log is in era");
    entry = epoch_after(&head, ERA + 1, T0, &body);
    take(&head, &entry, stele_view_buf(&body));
    assert_int_equal(head.era, ERA + 1);
    struct stele_entry event = event_after(&head);
    event.era = ERA;
    refused(&head, &event, stele_view_of(NULL, 0), "the log is in era");
    event.era = ERA + 1;
    take(&head, &event, stele_view_of(NULL, 0));
    entry = epoch_after(&head, ERA + 2, T0 + 5, &body);
    body.data[3] ^= 1;
    stele_hash_body(stele_view_buf(&body), entry.as.control.body_digest);
    refused(&head, &entry, stele_view_buf(&body), "a body of another");
    entry = epoch_after(&head, ERA + 100, NEXT_MONTH_US, &body);
    take(&head, &entry, stele_view_buf(&body));
    stele_buf_done(&body);
    stele_head_done(&head);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head__genesis_epoch_and_events_follow_each_other),
        cmocka_unit_test(test_head__what_breaks_a_rule_is_refused_with_the_rule),
        cmocka_unit_test(test_head__a_second_genesis_and_a_second_key_of_an_era_are_refused),
        cmocka_unit_test(test_head__an_index_follows_the_newest_control_and_covers_no_less),
        cmocka_unit_test(
            test_head__an_era_is_the_next_cut_of_its_month_or_the_first_of_a_later_one),
        cmocka_unit_test(test_head__a_snapshot_goes_on_where_it_was_taken),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
