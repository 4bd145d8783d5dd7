/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_index_tail.c: how the entries that are not packed yet are cut into segments. */
#include "storage/index_tail.h"

#include "tests/support/cmocka.h"

static struct stele_unit unit_at(uint64_t lo) {
    return (struct stele_unit){.lo = lo};
}

/* Each row: a unit's first entry, whether it opens an era, how far it is covered, and where
 * segments end. */
static void test_index_tail__segments_are_aligned_spans_and_a_rest(void **state) {
    static const struct {
        uint64_t lo, hi;
        bool opens_era;
        size_t n;
        uint64_t end[8];
    } rows[] = {
        {0, 1, true, 1, {1}},
        {0, 4095, true, 1, {4095}},
        {0, 4096, true, 1, {4096}},
        {0, 4097, true, 2, {4096, 4097}},
        {0, 60000, true, 4, {32768, 49152, 57344, 60000}},
        {65536, 131072, false, 1, {131072}},
        {131072, 131072 + 12288, false, 2, {139264, 143360}},
        /* An era that begins anywhere: the part of a span that lies in it. */
        {5000, 8000, true, 1, {8000}},
        {5000, 8192, true, 1, {8192}},
        {5000, 9000, true, 2, {8192, 9000}},
        {5000, 65536, true, 1, {65536}},
        {5000, 20000, true, 2, {16384, 20000}},
        /* Small packs: a unit that is not aligned to 4,096 is one segment. */
        {256, 512, false, 1, {512}},
        {768, 1000, false, 1, {1000}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stele_unit unit = unit_at(rows[i].lo);
        uint64_t at = rows[i].lo;
        size_t n = rows[i].n;
        for (size_t k = 0; k < n; k++) {
            at = stele_index_tail_end(&unit, rows[i].opens_era, at, rows[i].hi);
            assert_int_equal(at, rows[i].end[k]);
        }
        assert_int_equal(at, rows[i].hi);
        assert_int_equal(stele_index_tail_count(&unit, rows[i].opens_era, rows[i].hi), n);
    }
}

/* Whatever is covered more later, what is complete stays as it is. */
static void test_index_tail__few_segments_change_when_entries_come(void **state) {
    struct stele_unit unit = unit_at(0);
    (void)state;
    for (uint64_t hi = 1; hi <= 65536; hi += 997) {
        size_t n = stele_index_tail_count(&unit, true, hi);
        assert_true(n <= 5); /* 2^15, 2^14, 2^13, 2^12 and a rest */
        uint64_t at = 0;
        for (size_t k = 0; k < n; k++) {
            uint64_t end = stele_index_tail_end(&unit, true, at, hi);
            uint64_t size = end - at;
            bool span = size >= 4096 && (size & (size - 1)) == 0 && at % size == 0;
            assert_true(span || (end == hi && size < 4096));
            at = end;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_tail__segments_are_aligned_spans_and_a_rest),
        cmocka_unit_test(test_index_tail__few_segments_change_when_entries_come),
    };
    return cmocka_run_group_tests_name("index_tail", tests, NULL, NULL);
}
