/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete answers of logs that lie: the index, its descriptors, the state or the events are not
 * what an honest log commits to, and the prover proves them as they are. What a query can see of it
 * is refused.
 */
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/cmocka.h"
#include "tests/support/complete_one.h"

static void honest(struct one *x) {
    (void)x;
}

/* ------------------------------------------------------------------ descriptors */

/* Seals the log again, with changed descriptors. */
static void seal(struct one *x,
                 void (*change)(struct one *, struct stele_segment_info *[], size_t)) {
    size_t n = 0;
    struct stele_descriptor *descriptors = cm_descriptors(x->log, &n);
    struct stele_segment_info *info[64];
    for (size_t i = 0; i < n; i++) {
        info[i] = &descriptors[i].info;
    }
    uint64_t covered = descriptors[n - 1].info.hi;
    change(x, info, n);
    (void)cm_index_of(x->log, one_now_us(x), covered, descriptors, n);
}
/* The first descriptor of the second era. */
static size_t second_era(struct stele_segment_info *info[]) {
    size_t i = 1;
    while (info[i]->era == info[0]->era) {
        i++;
    }
    return i;
}
static void gap(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[second_era(info) + 1]->lo++;
}
static void overlap(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[second_era(info) + 1]->lo--;
}
static void time_falls(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    size_t i = second_era(info) + 1;
    info[i]->t_first = info[i - 1]->t_last - 1;
}
static void era_begins_early(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    size_t i = second_era(info);
    info[i]->lo--;
    info[i - 1]->hi--;
}
static void times_of_another_month(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    size_t i = second_era(info);
    info[i - 1]->t_last = info[i]->t_first;
}
static void first_time_of_another_month(struct one *x, struct stele_segment_info *info[],
                                        size_t n) {
    (void)x;
    (void)n;
    size_t i = second_era(info);
    info[i]->t_first = info[i - 1]->t_last;
}
static void not_from_the_start(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[0]->lo = 1;
}
static void not_to_the_end(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    info[n - 1]->hi--;
}
static void another_map(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[1]->map_version = 2;
}
static void another_tag_alg(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[1]->tag_alg = 2;
}
static void shorter_time(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[0]->t_last = info[0]->t_first;
}
static void later_start(struct one *x, struct stele_segment_info *info[], size_t n) {
    (void)x;
    (void)n;
    info[0]->t_first = info[0]->t_last;
}
#define SEALED(change)                                                                             \
    static void segments_##change(struct one *x) {                                                 \
        seal(x, change);                                                                           \
    }
SEALED(gap)
SEALED(overlap)
SEALED(time_falls)
SEALED(era_begins_early)
SEALED(times_of_another_month)
SEALED(first_time_of_another_month)
SEALED(not_from_the_start)
SEALED(not_to_the_end)
SEALED(another_map)
SEALED(another_tag_alg)
SEALED(shorter_time)
SEALED(later_start)

static void index_before_what_it_covers(struct one *x) {
    (void)cm_index(x->log, one_now_us(x) - 1000000, x->log->n, 64);
}
static void second_key_for_an_era(struct one *x) {
    x->log->second_key_lo = 64;
    (void)cm_index(x->log, one_now_us(x), x->log->n, 64);
}
static void unknown_map(struct one *x) {
    x->log->map_version = 9;
    (void)cm_control(x->log, STELE_CONTROL_CONFIGURATION, one_now_us(x) + 31 * CM_DAY_US, "any",
                     stele_view_str("x"));
    (void)cm_index(x->log, one_now_us(x), x->log->n, 64);
}
static void unknown_tag_alg(struct one *x) {
    x->log->tag_alg = 2;
    (void)cm_control(x->log, STELE_CONTROL_CONFIGURATION, one_now_us(x) + 31 * CM_DAY_US, "any",
                     stele_view_str("x"));
    (void)cm_index(x->log, one_now_us(x), x->log->n, 64);
}
/* An era that is cut short comes back. */
static void era_falls(struct one *x) {
    uint8_t value[80] = {0};
    uint8_t key[32];
    size_t n = 0;
    char name[32];
    uint32_t era = stele_entry_month(CM_START_US) * 100 + 1;
    cm_tag_key(x->log, era, key);
    stele_put_u32(value, era);
    stele_put_u16(value + 4, 1);
    stele_put_u16(value + 6, 1);
    stele_hash_tag_key(key, value + 8);
    (void)snprintf(name, sizeof name, "epoch/%u", era);
    (void)cm_control(x->log, STELE_CONTROL_EPOCH, one_now_us(x), name,
                     stele_view_of(value, sizeof value));
    (void)cm_index(x->log, one_now_us(x), x->log->n, 16);
    struct stele_descriptor *descriptors = cm_descriptors(x->log, &n);
    descriptors[0].info.era = era;
    stele_hash_tag_key(key, descriptors[0].info.tag_key_commit);
    (void)cm_index_of(x->log, one_now_us(x), descriptors[n - 1].info.hi, descriptors, n);
}

/* ------------------------------------------------------------------ events */

static void add_and_seal(struct one *x, const char *actor, const char *tenant, bool late,
                         cm_spoil spoil) {
    (void)one_add(x, actor, tenant, late, spoil);
    (void)cm_index(x->log, one_now_us(x), x->log->n, 64);
}
static void honest_event(struct one *x) {
    add_and_seal(x, "u-1", "acme", true, CM_HONEST);
}
static void on_time_tag_on_a_late_event(struct one *x) {
    one_ask(x, "u-single");
    add_and_seal(x, "u-single", "acme", true, CM_TAGS_OF_OTHER_TIME);
}
static void late_tag_on_an_on_time_event(struct one *x) {
    one_ask(x, "u-single");
    add_and_seal(x, "u-single", "acme", false, CM_TAGS_OF_OTHER_TIME);
}
static void payload_of_other_tags(struct one *x) {
    one_ask(x, "u-other");
    add_and_seal(x, "u-1", "acme", false, CM_TAGS_OF_OTHER);
}
/* The asked key, the tenant, is among both. */
static void payload_of_other_tags_beside_the_asked(struct one *x) {
    x->options.condition = STELE_COMPLETE_WHOLE_TENANT;
    add_and_seal(x, "u-1", "acme", false, CM_TAGS_OF_OTHER);
}
static void event_of_another_tenant(struct one *x) {
    add_and_seal(x, "u-1", "zenith", false, CM_TAGS_OF_TENANT);
}
static void event_of_another_time(struct one *x) {
    add_and_seal(x, "u-1", "acme", false, CM_EVENT_US);
}
static void event_of_another_class(struct one *x) {
    add_and_seal(x, "u-1", "acme", false, CM_CLASS);
}
static void phantom_posting(struct one *x) {
    uint64_t seq = one_add(x, "u-2", "acme", false, CM_HONEST);
    const struct sample_event event = {.tenant = "acme",
                                       .actor = "u-1",
                                       .time_unix_nano =
                                           x->log->entry[seq]->entry.as.event.event_us * 1000};
    cm_phantom(x->log, seq, &event);
    (void)cm_index(x->log, one_now_us(x), x->log->n, 64);
}
/* The index lists a real event under a key that it does not have. */
static void false_posting(struct one *x) {
    uint64_t seq = one_add(x, "u-2", "acme", false, CM_HONEST);
    const struct sample_event event = {.tenant = "acme",
                                       .actor = "u-1",
                                       .time_unix_nano =
                                           x->log->entry[seq]->entry.as.event.event_us * 1000};
    cm_phantom(x->log, seq, &event);
    struct cm_entry *phantom = x->log->phantom;
    const struct cm_entry *real = x->log->entry[seq];
    memcpy(phantom->bytes, real->bytes, sizeof phantom->bytes);
    memcpy(phantom->salt, real->salt, sizeof phantom->salt);
    stele_buf_clear(&phantom->payload);
    assert_ok(stele_buf_append(&phantom->payload, stele_view_buf(&real->payload), NULL));
    (void)cm_index(x->log, one_now_us(x), x->log->n, 64);
}

/* ------------------------------------------------------------------ regions */

/* The answer is about the region of 1y and system; `listed` is what the system log says 1y is. */
static void make_region(struct one *x, const struct cm_log *listed) {
    struct cm_log *system = cm_log_new("stele.example/eu-1/system", 6, 7, CM_START_US);
    (void)cm_list_log(system, CM_START_US, listed);
    (void)cm_list_log(system, CM_START_US, system);
    (void)cm_index(system, CM_START_US + 1, system->n, 64);
    x->bed.logs[1] = system;
    x->bed.keys[1] = system->key;
    x->bed.n_logs = 2;
    stele_buf_done(&x->question.log[0]);
    x->question.n_logs = 0;
}
static void honest_region(struct one *x) {
    make_region(x, x->log);
}
static void seal_system(struct one *x) {
    struct cm_log *system = x->bed.logs[1];
    (void)cm_index(system, CM_START_US + 2, system->n, 64);
}
/* The leaves before the logs are of use to nobody but as their neighbour. */
static void region_with_holds(struct one *x) {
    make_region(x, x->log);
    (void)cm_control(x->bed.logs[1], STELE_CONTROL_HOLD, CM_START_US, "hold/a",
                     stele_view_str("x"));
    (void)cm_control(x->bed.logs[1], STELE_CONTROL_HOLD, CM_START_US, "hold/b",
                     stele_view_str("x"));
    seal_system(x);
}
static void open_both_holds(struct plan *plan) {
    struct plan_log *of = &plan->log[1];
    for (size_t i = 0; i < of->n_states; i++) {
        const stele_buf *key = &of->state->leaf[of->states[i].first].key;
        if (stele_view_is(stele_view_buf(key), "hold/b")) {
            of->states[i].first--;
            of->states[i].n++;
            return;
        }
    }
    fail_msg("no run begins with hold/b");
}
static void hold_not_needed(struct one *x) {
    region_with_holds(x);
    x->change = open_both_holds;
}
/* In a STATE of its own, so that it is beside nothing. */
static void open_a_hold_alone(struct plan *plan) {
    struct plan_log *of = &plan->log[1];
    for (size_t i = 0; i < of->n_states; i++) {
        const stele_buf *key = &of->state->leaf[of->states[i].first].key;
        if (stele_view_is(stele_view_buf(key), "hold/b")) {
            memmove(&of->states[i + 1], &of->states[i], (of->n_states - i) * sizeof of->states[0]);
            of->states[i] = (struct plan_run){of->states[i + 1].first - 1, 1};
            of->n_states++;
            return;
        }
    }
    fail_msg("no run begins with hold/b");
}
static void hold_alone(struct one *x) {
    region_with_holds(x);
    x->change = open_a_hold_alone;
}
static void malformed_list(struct one *x) {
    make_region(x, x->log);
    (void)cm_control(x->bed.logs[1], STELE_CONTROL_LOGS, CM_START_US, "logs/x",
                     stele_view_str("no list"));
    seal_system(x);
}
static void fork_of_a_listed_log(struct one *x) {
    struct cm_log *other = cm_log_new("stele.example/eu-1/1y", 9, 1, CM_START_US);
    make_region(x, other);
    cm_log_free(other);
}
static void log_of_another_class(struct one *x) {
    uint8_t years = x->log->years;
    x->log->years = 3;
    make_region(x, x->log);
    x->log->years = years;
}

static const struct lie lies[] = {
#define ROW(name, reason)                                                                          \
    { #name, name, reason }
    ROW(honest, NULL),
    ROW(honest_event, NULL),
    ROW(honest_region, NULL),
    ROW(segments_gap, "is a gap, or time or era falls"),
    ROW(segments_overlap, "is a gap, or time or era falls"),
    ROW(segments_time_falls, "is a gap, or time or era falls"),
    ROW(era_falls, "is a gap, or time or era falls"),
    ROW(segments_era_begins_early, "its EPOCH is entry"),
    ROW(segments_times_of_another_month, "outside of the month"),
    ROW(segments_first_time_of_another_month, "outside of the month"),
    ROW(segments_not_from_the_start, "are not shown, and may hold"),
    ROW(segments_not_to_the_end, "are not shown, and may hold"),
    ROW(segments_another_map, "another tag key or map than the EPOCH"),
    ROW(segments_another_tag_alg, "another tag key or map than the EPOCH"),
    ROW(segments_shorter_time, "a time outside of it"),
    ROW(segments_later_start, "a time outside of it"),
    ROW(unknown_tag_alg, "tags of kind 2"),
    ROW(index_before_what_it_covers, "older than what it covers"),
    ROW(second_key_for_an_era, "another tag key or map than the EPOCH"),
    ROW(unknown_map, "event map 9"),
    ROW(on_time_tag_on_a_late_event, "not of a history that is opened"),
    ROW(late_tag_on_an_on_time_event, "not of a history that is opened"),
    ROW(payload_of_other_tags, "does not have it"),
    ROW(payload_of_other_tags_beside_the_asked, "left out, added or changed"),
    ROW(event_of_another_tenant, "it is another tenant's"),
    ROW(event_of_another_time, "another time than its payload"),
    ROW(event_of_another_class, "another era or class"),
    ROW(phantom_posting, "do not make its signed root"),
    ROW(false_posting, "does not have it"),
    ROW(region_with_holds, NULL),
    ROW(hold_not_needed, "which this answer does not need"),
    ROW(hold_alone, "which this answer does not need"),
    ROW(malformed_list, "has no value that can be"),
    ROW(fork_of_a_listed_log, "another first entry"),
    ROW(log_of_another_class, "another class or another first entry"),
};

static void test_complete__each_lie_of_a_log_is_refused_for_its_reason(void **state) {
    (void)state;
    one_check_rows(lies, sizeof lies / sizeof lies[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete__each_lie_of_a_log_is_refused_for_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
