# Google Benchmark through a C shim; -DSTELE_BENCH=ON (preset bench) builds tests/stele-bench:
#   build/bench/tests/stele-bench --benchmark_filter=segment
# The only C++ of the tree, and the only place where a C++ compiler is asked for. Label: bench.
if(NOT STELE_BENCH)
  return()
endif()
enable_language(CXX)
pkg_check_modules(BENCHMARK REQUIRED IMPORTED_TARGET benchmark)

add_executable(stele-bench
  bench/bench_shim.cc bench/bench_all.c bench/bench_hash.c bench/bench_event.c bench/bench_frame.c
  bench/bench_segment.c bench/bench_seal.c bench/bench_engine.c bench/bench_log.c
  support/memory_segment.c support/seal_model.c support/temp_folder.c)
set_target_properties(stele-bench PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
target_compile_options(stele-bench PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Werror>)
target_link_libraries(stele-bench PRIVATE stele-test-store stele-verify stele-flags PkgConfig::CMOCKA
  PkgConfig::BENCHMARK)

# Every benchmark once: that they run, not how fast.
add_test(NAME bench.smoke COMMAND stele-bench --benchmark_min_time=0.000001)
set_tests_properties(bench.smoke PROPERTIES LABELS bench TIMEOUT 300)
