/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/cursor.h"
#include "storage/entry.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#define DAY UINT64_C(86400000000)

static struct stele_entry event_of(void) {
    struct stele_entry e = {
        .type = STELE_ENTRY_EVENT, .era = 20261101, .seq = 9, .time_us = 20 * DAY};
    e.as.event.retention_years = 5;
    e.as.event.event_us = 19 * DAY;
    memset(e.as.event.payload_commit, 0xaa, 32);
    memset(e.as.event.keys_commit, 0xbb, 32);
    return e;
}

static struct stele_entry index_of(void) {
    struct stele_entry e = {.type = STELE_ENTRY_INDEX, .seq = 9, .time_us = 20 * DAY};
    e.as.index.n_segments = 3;
    e.as.index.covered = 9;
    e.as.index.control = 8;
    memset(e.as.index.manifest_root, 0xcc, 32);
    return e;
}

static struct stele_entry control_of(void) {
    struct stele_entry e = {
        .type = STELE_ENTRY_CONTROL, .era = 20261101, .seq = 9, .time_us = 20 * DAY};
    e.as.control.kind = STELE_CONTROL_HOLD;
    e.as.control.prev = 8;
    e.as.control.n_state = 4;
    memset(e.as.control.body_digest, 0xdd, 32);
    memset(e.as.control.state_root, 0xee, 32);
    return e;
}

static bool decodes(const uint8_t *bytes, size_t size) {
    struct stele_entry e;
    return stele_entry_decode(stele_view_of(bytes, size), &e, NULL) == STELE_OK;
}

static void assert_round_trip(const struct stele_entry *entry, size_t size) {
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    uint8_t again[STELE_ENTRY_BYTES_MAX];
    struct stele_entry back;
    assert_int_equal(stele_entry_encode(entry, bytes), size);
    assert_ok(stele_entry_decode(stele_view_of(bytes, size), &back, NULL));
    assert_true(back.type == entry->type && back.era == entry->era && back.seq == entry->seq &&
                back.time_us == entry->time_us);
    assert_int_equal(stele_entry_encode(&back, again), size);
    assert_memory_equal(again, bytes, size);
    /* Any other length is refused. */
    for (size_t other = 0; other <= STELE_ENTRY_BYTES_MAX; other++) {
        assert_int_equal(decodes(bytes, other), other == size);
    }
}

static void test_entry__each_type_goes_there_and_back(void **state) {
    (void)state;
    struct stele_entry e = event_of();
    assert_round_trip(&e, 96);
    e.as.event.late = true;
    e.time_us = 20 * DAY + 1;
    assert_round_trip(&e, 96);
    e = index_of();
    assert_round_trip(&e, 72);
    e = control_of();
    assert_round_trip(&e, 112);
    e.as.control.prev = STELE_NO_SEQ;
    assert_round_trip(&e, 112);
}

static void test_entry__offsets_are_those_of_the_format(void **state) {
    (void)state;
    uint8_t b[STELE_ENTRY_BYTES_MAX];
    struct stele_entry e = event_of();
    (void)stele_entry_encode(&e, b);
    assert_true(b[0] == 1 && b[1] == 1 && b[2] == 5 && b[3] == 0);
    assert_true(stele_get_u32(b + 4) == 20261101 && stele_get_u64(b + 8) == 9);
    assert_true(stele_get_u64(b + 16) == 20 * DAY && stele_get_u64(b + 24) == 19 * DAY);
    assert_true(b[32] == 0xaa && b[63] == 0xaa && b[64] == 0xbb && b[95] == 0xbb);
    e = index_of();
    (void)stele_entry_encode(&e, b);
    assert_true(b[0] == 2 && b[1] == 1 && b[2] == 0 && b[3] == 0 && stele_get_u32(b + 4) == 3);
    assert_true(stele_get_u64(b + 8) == 9 && stele_get_u64(b + 16) == 20 * DAY);
    assert_true(stele_get_u64(b + 24) == 9 && stele_get_u64(b + 32) == 8);
    assert_true(b[40] == 0xcc && b[71] == 0xcc);
    e = control_of();
    (void)stele_entry_encode(&e, b);
    assert_true(b[0] == 3 && b[1] == 1 && b[2] == 4 && b[3] == 0 &&
                stele_get_u32(b + 4) == 20261101);
    assert_true(stele_get_u64(b + 24) == 8 && stele_get_u64(b + 32) == 4);
    assert_true(b[40] == 0xdd && b[71] == 0xdd && b[72] == 0xee && b[103] == 0xee);
    assert_true(stele_get_u64(b + 104) == 0);
}

/* Whatever bytes decode must encode to the same bytes: nothing is dropped or forgiven. */
static void test_entry__every_accepted_form_is_the_only_one(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    struct stele_entry made[3] = {event_of(), index_of(), control_of()};
    size_t accepted = 0;
    for (size_t round = 0; round < 60000; round++) {
        uint8_t bytes[STELE_ENTRY_BYTES_MAX];
        uint8_t again[STELE_ENTRY_BYTES_MAX];
        struct stele_entry back;
        size_t size = stele_entry_encode(&made[round % 3], bytes);
        for (uint64_t changes = rng_below(&rng, 3); changes > 0; changes--) {
            bytes[rng_below(&rng, size)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        }
        if (stele_entry_decode(stele_view_of(bytes, size), &back, NULL) == STELE_OK) {
            accepted++;
            assert_int_equal(stele_entry_encode(&back, again), size);
            assert_memory_equal(again, bytes, size);
        }
    }
    assert_true(accepted > 20000 && accepted < 60000);
}

static void assert_refused(const struct stele_entry *good, size_t at, uint8_t value) {
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    size_t size = stele_entry_encode(good, bytes);
    bytes[at] = value;
    if (decodes(bytes, size)) {
        fail_msg("type %d with byte %zu = %u must be refused", (int)good->type, at, value);
    }
}

static void test_entry__reserved_bits_and_unknown_values_are_refused(void **state) {
    (void)state;
    struct stele_entry e = event_of();
    struct stele_entry i = index_of();
    struct stele_entry c = control_of();
    for (unsigned type = 0; type < 256; type++) {
        if (type != 1) {
            assert_refused(&e, 0, (uint8_t)type);
        }
    }
    for (unsigned bit = 0; bit < 8; bit++) {
        assert_refused(&e, 3,
                       (uint8_t)(1u << bit)); /* bit 0: the late bit would not fit the times */
        assert_refused(&i, 2, (uint8_t)(1u << bit));
        assert_refused(&i, 3, (uint8_t)(1u << bit));
        assert_refused(&c, 3, (uint8_t)(1u << bit));
        for (size_t at = 104; at < 112; at++) {
            assert_refused(&c, at, (uint8_t)(1u << bit));
        }
    }
    assert_refused(&e, 1, 0);
    assert_refused(&e, 1, 2);
    assert_refused(&i, 1, 2);
    assert_refused(&c, 1, 2);
    assert_refused(&e, 2, 0);
    assert_refused(&e, 2, 8);
    assert_refused(&c, 2, 9);
    assert_refused(&c, 2, 255);
}

static void test_entry__an_index_covers_entries_before_it(void **state) {
    (void)state;
    struct stele_entry i = index_of();
    assert_refused(&i, 31, 10); /* M = 10 > seq = 9 */
    assert_refused(&i, 31, 0);
    assert_refused(&i, 7, 0); /* no segments */
    assert_refused(&i, 7, 10);
    assert_refused(&i, 39, 9); /* its CONTROL would be itself */
    struct stele_entry c = control_of();
    assert_refused(&c, 31, 9);
    assert_refused(&c, 24, 0xff); /* not before it, and not "none" either */
}

static void test_entry__late_is_more_than_a_day(void **state) {
    (void)state;
    assert_false(stele_entry_is_late(5 * DAY, 4 * DAY));
    assert_true(stele_entry_is_late(5 * DAY + 1, 4 * DAY));
    assert_false(stele_entry_is_late(5 * DAY, 6 * DAY));
    assert_false(stele_entry_is_late(0, UINT64_MAX));
    assert_true(stele_entry_is_late(UINT64_MAX, 0));
    assert_false(stele_entry_is_late(UINT64_MAX, UINT64_MAX - DAY));
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    struct stele_entry e = event_of();
    e.as.event.event_us = e.time_us + DAY; /* a day ahead: accepted */
    assert_round_trip(&e, 96);
    size_t size = stele_entry_encode(&e, bytes);
    stele_put_u64(bytes + 24, e.time_us + DAY + 1);
    assert_false(decodes(bytes, size));
    stele_put_u64(bytes + 24, UINT64_MAX);
    assert_false(decodes(bytes, size));
}

static void test_entry__months_are_gregorian(void **state) {
    (void)state;
    static const struct {
        uint64_t seconds;
        uint32_t month;
    } cases[] = {
        {0, 197001},          {2678399, 197001},    {2678400, 197002},   /* January has 31 days */
        {951782399, 200002},  {951868799, 200002},  {951868800, 200003}, /* 29 February 2000 */
        {1709251199, 202402}, {1709251200, 202403}, {1735689599, 202412},
        {1735689600, 202501}, {1793491199, 202610}, {1793491200, 202611},
        {4107542399, 210002}, {4107542400, 210003}, /* no 29 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(stele_entry_month(cases[i].seconds * 1000000), cases[i].month);
        assert_int_equal(stele_entry_month(cases[i].seconds * 1000000 + 999999), cases[i].month);
    }
}

/* Day by day over 400 years, against a calendar that counts. */
static void test_entry__months_agree_with_counting_days(void **state) {
    (void)state;
    static const uint64_t days_of[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t day = 0;
    for (uint32_t year = 1970; year < 2400; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (uint32_t month = 0; month < 12; month++) {
            uint64_t days = days_of[month] + (month == 1 && leap ? 1 : 0);
            for (uint64_t i = 0; i < days; i++, day++) {
                assert_int_equal(stele_entry_month(day * DAY), year * 100 + month + 1);
                assert_int_equal(stele_entry_month(day * DAY + DAY - 1), year * 100 + month + 1);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry__each_type_goes_there_and_back),
        cmocka_unit_test(test_entry__offsets_are_those_of_the_format),
        cmocka_unit_test(test_entry__every_accepted_form_is_the_only_one),
        cmocka_unit_test(test_entry__reserved_bits_and_unknown_values_are_refused),
        cmocka_unit_test(test_entry__an_index_covers_entries_before_it),
        cmocka_unit_test(test_entry__late_is_more_than_a_day),
        cmocka_unit_test(test_entry__months_are_gregorian),
        cmocka_unit_test(test_entry__months_agree_with_counting_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
