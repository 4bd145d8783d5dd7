// SPDX-License-Identifier: Apache-2.0
// tests/bench/bench_shim.cc: Google Benchmark behind bench_shim.h. Only what C cannot say is here.
#include "tests/bench/bench_shim.h"

#include <benchmark/benchmark.h>

// A pointer to benchmark::State travels through C as a pointer to an unknown struct.
static benchmark::State &state_of(struct stele_bench *b) {
    return *reinterpret_cast<benchmark::State *>(b);
}

void stele_bench_add(const char *name, stele_bench_fn fn, const int64_t *args, size_t n_args) {
    bool with_arg = n_args > 0;
    auto *added = benchmark::RegisterBenchmark(name, [fn, with_arg](benchmark::State &state) {
        fn(reinterpret_cast<struct stele_bench *>(&state), with_arg ? state.range(0) : 0);
    });
    for (size_t i = 0; i < n_args; i++) {
        added->Arg(args[i]);
    }
    // Syncs and other threads take time that is no CPU time of ours.
    added->UseRealTime();
}

bool stele_bench_next(struct stele_bench *b) {
    return state_of(b).KeepRunning();
}

void stele_bench_pause(struct stele_bench *b) {
    state_of(b).PauseTiming();
}

void stele_bench_resume(struct stele_bench *b) {
    state_of(b).ResumeTiming();
}

void stele_bench_did(struct stele_bench *b, uint64_t items_per_turn, uint64_t bytes_per_turn) {
    int64_t turns = static_cast<int64_t>(state_of(b).iterations());
    state_of(b).SetItemsProcessed(turns * static_cast<int64_t>(items_per_turn));
    if (bytes_per_turn > 0) {
        state_of(b).SetBytesProcessed(turns * static_cast<int64_t>(bytes_per_turn));
    }
}

void stele_bench_note(struct stele_bench *b, const char *name, double value) {
    state_of(b).counters[name] = value;
}

void stele_bench_keep(const void *bytes) {
    benchmark::DoNotOptimize(bytes);
    benchmark::ClobberMemory();
}

int main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    stele_bench_add_all();
    size_t run = benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    stele_bench_end_all();
    return run > 0 ? 0 : 1;
}
