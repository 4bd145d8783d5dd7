# stele_fuzz_target(NAME LIBS lib... [SOURCES file...]): tests/fuzz/fuzz_<NAME>.c over tests/fuzz/corpus/<NAME>/.
#
# Always: replay_<NAME>, ctest fuzz.<NAME>: every corpus file as it is, and seeded mutations of it.
# With -DSTELE_FUZZ=ON (clang): fuzz_<NAME>, a libFuzzer program; run it as
#   build/fuzz/tests/fuzz_<NAME> -max_total_time=60 NEW_FOLDER tests/fuzz/corpus/<NAME>
include_guard()

if(STELE_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "STELE_FUZZ needs clang: configure with the preset 'fuzz'")
  endif()
  if(NOT STELE_SANITIZE)
    message(FATAL_ERROR "STELE_FUZZ needs STELE_SANITIZE (the preset 'fuzz' sets address,undefined): "
      "the coverage counters live in the sanitizer's runtime")
  endif()
  # Our libraries are instrumented for coverage too, not only the targets.
  target_compile_options(stele-flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(stele_fuzz_target name)
  cmake_parse_arguments(ARG "" "" "LIBS;SOURCES" ${ARGN})
  add_executable(replay_${name} fuzz/standalone.c fuzz/fuzz_${name}.c ${ARG_SOURCES})
  target_link_libraries(replay_${name} PRIVATE ${ARG_LIBS} stele-flags)
  add_test(NAME fuzz.${name}
    COMMAND replay_${name} --mutations=300 ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
  if(STELE_FUZZ)
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c ${ARG_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE ${ARG_LIBS} stele-flags)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
