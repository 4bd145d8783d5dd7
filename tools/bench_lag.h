/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_lag.h: how far the index of a region's logs fell behind while something was measured.
 * Layer: tools. A thread of its own asks for the status of the logs a few times a second, as
 * `stele status` does.
 */
#ifndef STELE_TOOLS_BENCH_LAG_H
#define STELE_TOOLS_BENCH_LAG_H

#include <jansson.h>
#include <stdint.h>

#include "storage/status.h"

struct stele_bench_lag;
struct stele_bench_lag_figures {
    double behind_s;         /* at most: age of the oldest event that no INDEX entry covered */
    uint64_t behind_entries; /* at most */
    double seal_s; /* from the end of the load until all was covered; below 0: it was not */
};

/* config, region: borrowed until the end. */
STELE_MUST_USE stele_status stele_bench_lag_start(const char *config, const char *region,
                                                  struct stele_bench_lag **ret, stele_err *err);
/* Call when the load is over. Waits until everything is covered, as long as the index moves
 * and a minute at most, and frees.
 * Errors: those of the status call. */
STELE_MUST_USE stele_status stele_bench_lag_end(struct stele_bench_lag *lag,
                                                struct stele_bench_lag_figures *ret,
                                                stele_err *err);
void stele_bench_lag_print(const struct stele_bench_lag_figures *figures);
void stele_bench_lag_json(const struct stele_bench_lag_figures *figures, json_t *out);

#endif
