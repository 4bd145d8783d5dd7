/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_clock.c: a counter in memory that a fork shares. */
#include "tools/bench_clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct stele_bench_clock {
    uint64_t start_us, step_us;
    atomic_uint_fast64_t n_steps;
};

stele_status stele_bench_clock_new(uint32_t step_ms, struct stele_bench_clock **ret,
                                   stele_err *err) {
    struct timespec now;
    struct stele_bench_clock *clock =
        mmap(NULL, sizeof *clock, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (clock == MAP_FAILED) {
        return STELE_FAIL(err, NO_MEMORY, "no shared memory for a clock: %s", strerror(errno));
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    clock->start_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    clock->step_us = (uint64_t)step_ms * 1000u;
    atomic_init(&clock->n_steps, 0);
    *ret = clock;
    return STELE_OK;
}

void stele_bench_clock_free(struct stele_bench_clock *clock) {
    if (clock != NULL) {
        (void)munmap(clock, sizeof *clock);
    }
}

static uint64_t at_us(const struct stele_bench_clock *clock, uint64_t n_steps) {
    uint64_t most = STELE_BENCH_CLOCK_SPAN_US / clock->step_us;
    return clock->start_us + (n_steps < most ? n_steps : most) * clock->step_us;
}

uint64_t stele_bench_clock_step_us(struct stele_bench_clock *clock) {
    return at_us(clock, atomic_fetch_add(&clock->n_steps, 1) + 1);
}

void stele_bench_clock_reach(struct stele_bench_clock *clock, uint64_t n_steps) {
    uint_fast64_t now = atomic_load(&clock->n_steps);
    while (now < n_steps && !atomic_compare_exchange_weak(&clock->n_steps, &now, n_steps)) {
    }
}

uint64_t stele_bench_clock_now_us(void *ctx) {
    struct stele_bench_clock *clock = ctx;
    return at_us(clock, atomic_load(&clock->n_steps));
}
