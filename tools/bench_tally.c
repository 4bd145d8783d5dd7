/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_tally.c: counting one call, and joining the stalls of several tallies. */
#include "tools/bench_tally.h"

#include <stdlib.h>

#include "storage/bytes.h"

void stele_bench_tally_count(struct stele_bench_tally *tally, uint64_t due_us, uint64_t done_us) {
    uint64_t us = done_us > due_us ? done_us - due_us : 0;
    stele_bench_histogram_add(&tally->latency, us);
    if (us <= STELE_BENCH_STALL_US) {
        return;
    }
    double unix_s = tally->unix_s + ((double)due_us - (double)tally->start_us) / 1e6;
    struct stele_bench_stall *last =
        tally->n_stalls == 0 ? NULL : &tally->stall[(tally->n_stalls - 1) % STELE_BENCH_STALLS_MAX];
    if (last != NULL && unix_s <= last->unix_s + last->ms / 1e3) {
        /* Answers need not come in the order in which their calls were due. */
        double end_s = last->unix_s + last->ms / 1e3;
        double until_s = unix_s + (double)us / 1e6;
        last->unix_s = unix_s < last->unix_s ? unix_s : last->unix_s;
        last->ms = ((until_s > end_s ? until_s : end_s) - last->unix_s) * 1e3;
        return;
    }
    tally->stall[tally->n_stalls++ % STELE_BENCH_STALLS_MAX] =
        (struct stele_bench_stall){unix_s, (double)us / 1e3};
}

static int compare_stalls(const void *a, const void *b) {
    double x = ((const struct stele_bench_stall *)a)->unix_s;
    double y = ((const struct stele_bench_stall *)b)->unix_s;
    return (x > y) - (x < y);
}

stele_status stele_bench_tally_stalls(struct stele_bench_tally *const *tallies, size_t n,
                                      struct stele_bench_stall ret[STELE_BENCH_STALLS_MAX],
                                      uint64_t *ret_n, stele_err *err) {
    size_t n_all = 0;
    uint64_t n_found = 0;
    struct stele_bench_stall *all = stele_alloc(n * STELE_BENCH_STALLS_MAX, sizeof *all);
    if (all == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu lists of stalls", n);
    }
    for (size_t i = 0; i < n; i++) {
        for (uint64_t j = 0; j < tallies[i]->n_stalls && j < STELE_BENCH_STALLS_MAX; j++) {
            all[n_all++] = tallies[i]->stall[j];
        }
    }
    if (n_all > 0) {
        qsort(all, n_all, sizeof *all, compare_stalls);
    }
    struct stele_bench_stall now = {0, 0};
    for (size_t i = 0; i < n_all; i++) {
        double until_s = now.unix_s + now.ms / 1e3;
        if (n_found == 0 || all[i].unix_s > until_s) {
            now = all[i];
            n_found++;
        } else if (all[i].unix_s + all[i].ms / 1e3 > until_s) {
            now.ms = (all[i].unix_s - now.unix_s) * 1e3 + all[i].ms;
        }
        if (n_found <= STELE_BENCH_STALLS_MAX) {
            ret[n_found - 1] = now;
        }
    }
    *ret_n = n_found;
    stele_free(all);
    return STELE_OK;
}
