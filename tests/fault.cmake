# Fault tests: processes killed, power cut, syncs held back, calls that fail, a full disk. Label: fault.
# STELE_SOAK=1 in the environment runs them long.

# stele_fault_test(NAME SOURCES file... LIBS lib...): tests/fault/test_<NAME>.c as ctest fault.<NAME>.
function(stele_fault_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(test_${name} fault/test_${name}.c ${ARG_SOURCES})
  target_link_libraries(test_${name} PRIVATE ${ARG_LIBS} stele-flags PkgConfig::CMOCKA)
  target_compile_definitions(test_${name} PRIVATE STELE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    STELE_CRASH_WRITER="$<TARGET_FILE_DIR:test_${name}>/crash_writer")
  add_test(NAME fault.${name} COMMAND test_${name})
  set_tests_properties(fault.${name} PROPERTIES LABELS fault SKIP_RETURN_CODE 77 TIMEOUT 3600)
endfunction()

# The process that is killed.
add_executable(crash_writer fault/crash_writer.c)
target_link_libraries(crash_writer PRIVATE stele-test-store stele-flags)
add_library(stele-test-crash STATIC fault/crash_rig.c fault/crash_check.c support/temp_folder.c)
target_link_libraries(stele-test-crash PUBLIC stele-test-store)

stele_fault_test(kill LIBS stele-test-crash)
add_dependencies(test_kill crash_writer)

# Counts the syncs of a process; also to be preloaded into programs. See fault/sync_count.h.
add_library(stele-sync-count SHARED fault/sync_count.c)
target_link_libraries(stele-sync-count PRIVATE stele-flags)

# What the engine syncs, watched; and the same engine with its syncs turned off, whose objects stand before
# those of the library: there each check must notice.
stele_fault_test(engine_syncs SOURCES fault/sync_watch.c LIBS stele-sync-count stele-test-behaviour)
stele_fault_test(engine_syncs_off
  SOURCES fault/sync_watch.c
    ../storage/file.c
    ../storage/engine_rocks.c
    ../storage/engine_blobs.c
    ../storage/engine_home.c
    ../storage/engine_acked.c
    ../storage/engine_local.c
  LIBS stele-sync-count stele-test-behaviour PkgConfig::ROCKSDB)
target_compile_options(test_engine_syncs_off PRIVATE -include ${CMAKE_CURRENT_SOURCE_DIR}/fault/no_sync.h)
