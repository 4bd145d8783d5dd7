/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_query.h: what single actors did, asked for and timed. Layer: tools. */
#ifndef STELE_TOOLS_BENCH_QUERY_H
#define STELE_TOOLS_BENCH_QUERY_H

#include "tools/cli.h"

#define STELE_BENCH_ACTORS 10000u

struct stele_bench_asked {
    uint64_t events;
    double first_ms, all_ms;
    char log[64]; /* of the first event; "" without one */
};
/* One search for one actor's events, all of them, or the newest `limit`. */
STELE_MUST_USE stele_status stele_bench_ask(struct stele_cli *cli, const char *region,
                                            const char *actor, uint64_t limit,
                                            struct stele_bench_asked *ret, stele_err *err);
/* Asks `times` times each for busy and rare actors, one after another, and prints a line for each.
 */
STELE_MUST_USE stele_status stele_bench_queries(const char *config, const char *region,
                                                uint64_t times, bool json, stele_err *err);

#endif
