/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_clock.h: a clock that two processes share and that moves by a step for every event
 * made, so that a bench of minutes lives through months of log time. Layer: tools.
 *
 * It begins at the real time, because the logs' first entries were written then, and goes into the
 * future, at most STELE_BENCH_CLOCK_SPAN_US: past that it stands. Any thread of both processes.
 */
#ifndef STELE_TOOLS_BENCH_CLOCK_H
#define STELE_TOOLS_BENCH_CLOCK_H

#include "storage/bytes.h"

#define STELE_BENCH_CLOCK_SPAN_US                                                                  \
    (UINT64_C(50) * 365 * 86400 * 1000000) /* longer than any retention */

struct stele_bench_clock;
/* Before the process is forked whose other half shall see it. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_bench_clock_new(uint32_t step_ms, struct stele_bench_clock **ret,
                                                  stele_err *err);
void stele_bench_clock_free(struct stele_bench_clock *clock); /* NULL is fine */
/* Steps, and gives the time of the event that is made now: never ahead of what the server reads. */
uint64_t stele_bench_clock_step_us(struct stele_bench_clock *clock);
/* Steps to at least so many steps: for events that were made before, in their order. */
void stele_bench_clock_reach(struct stele_bench_clock *clock, uint64_t n_steps);
/* A stele_clock_fn; ctx is the clock. */
uint64_t stele_bench_clock_now_us(void *ctx);

#endif
