/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_bench_histogram.c: percentiles of the histogram against those of the sorted
 * values. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/rng.h"
#include "tools/bench_histogram.h"

#define N_VALUES 20000

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_bench_histogram__percentiles_are_those_of_the_values(void **state) {
    static const double at[] = {0.001, 0.5, 0.9, 0.99, 0.999, 1.0};
    static uint64_t value[N_VALUES];
    static struct stele_bench_histogram all;
    static struct stele_bench_histogram parts[2];
    struct rng rng = rng_start("bench_histogram");
    (void)state;
    for (size_t i = 0; i < N_VALUES; i++) {
        value[i] = rng_next(&rng) >> (24 + rng_below(&rng, 40));
        stele_bench_histogram_add(&parts[i % 2], value[i]);
    }
    stele_bench_histogram_merge(&all, &parts[0]);
    stele_bench_histogram_merge(&all, &parts[1]);
    qsort(value, N_VALUES, sizeof *value, compare);
    assert_int_equal(all.n, N_VALUES);
    assert_int_equal(all.max_us, value[N_VALUES - 1]);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        size_t rank = (size_t)(at[i] * N_VALUES + 0.5) - 1;
        double wanted = (double)value[rank] / 1000.0;
        double got = stele_bench_histogram_ms(&all, at[i]);
        assert_true(got >= wanted * 0.999999 && got <= wanted * 1.016);
    }
}

static void test_bench_histogram__few_values_and_none(void **state) {
    struct stele_bench_histogram histogram;
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    assert_true(stele_bench_histogram_ms(&histogram, 0.5) <= 0);
    stele_bench_histogram_add(&histogram, 7);
    stele_bench_histogram_add(&histogram, UINT64_MAX);
    assert_true(stele_bench_histogram_ms(&histogram, 0.5) > 0.0069 &&
                stele_bench_histogram_ms(&histogram, 0.5) < 0.0071);
    assert_true(stele_bench_histogram_ms(&histogram, 0.51) >
                1e9); /* the last bucket holds all that is longer */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench_histogram__percentiles_are_those_of_the_values),
        cmocka_unit_test(test_bench_histogram__few_values_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
