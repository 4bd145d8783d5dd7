/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_all.c: the list of benchmarks, from the inside out. */
#include "tests/bench/bench_parts.h"

void stele_bench_add_all(void) {
    bench_add_hash();
    bench_add_event();
    bench_add_frame();
    bench_add_segment();
    bench_add_seal();
    bench_add_engine();
    bench_add_log();
}

void stele_bench_end_all(void) {
    bench_end_log();
}
