/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_cpu.h: what each part of a server costs: the processor time of its threads, by their
 * names (storage/thread.h; gRPC core and RocksDB name their own). Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_CPU_H
#define STELE_TOOLS_BENCH_CPU_H

#include <jansson.h>
#include <sys/types.h>

#include "storage/status.h"

#define STELE_BENCH_THREADS_MAX 32 /* names; the rest counts as of the others */
#define STELE_BENCH_THREAD_BYTES 17

struct stele_bench_cpu_part {
    char name[STELE_BENCH_THREAD_BYTES];
    double cpu_s; /* user and system */
};
struct stele_bench_cpu {
    struct stele_bench_cpu_part part[STELE_BENCH_THREADS_MAX];
    size_t n;
};

/* One process or thread: `path` is its /proc file "stat". Errors: IO (it is gone). */
STELE_MUST_USE stele_status stele_bench_cpu_of(const char *path, struct stele_bench_cpu_part *ret,
                                               stele_err *err);
/* Of the threads the process has now, since they began. Errors: IO (it is gone). */
STELE_MUST_USE stele_status stele_bench_cpu_read(pid_t pid, struct stele_bench_cpu *ret,
                                                 stele_err *err);
/* What came since `before`, the largest first. What threads cost that have ended is the rest of the
 * process's `total_s`, "others". */
void stele_bench_cpu_since(const struct stele_bench_cpu *before, double total_s,
                           struct stele_bench_cpu *cpu);
/* Of n events: "append 2.41, pack 1.05 us an event", and members of an object. */
void stele_bench_cpu_print(const struct stele_bench_cpu *cpu, double n);
void stele_bench_cpu_json(const struct stele_bench_cpu *cpu, double n, json_t *out);

#endif
