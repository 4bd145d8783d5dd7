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
target_link_libraries(crash_writer PRIVATE stele-test-store stele-test-engines stele-flags)
add_library(stele-test-crash STATIC fault/crash_rig.c fault/crash_check.c support/index_model.c support/temp_folder.c)
target_link_libraries(stele-test-crash PUBLIC stele-test-store stele-test-engines)

stele_fault_test(kill SOURCES fault/sync_nothing.c LIBS stele-test-crash)
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
stele_fault_test(engine_recovery LIBS stele-test-behaviour)
stele_fault_test(engine_full_disk LIBS stele-test-behaviour)

# The writer with powercut_shim.c before the C library's calls.
add_library(power-writer-objects OBJECT fault/crash_writer.c fault/powercut_shim.c)
target_link_libraries(power-writer-objects PRIVATE stele-test-store stele-test-engines stele-flags)
function(stele_power_writer name)
  add_executable(${name} $<TARGET_OBJECTS:power-writer-objects> ${ARGN})
  target_link_libraries(${name} PRIVATE stele-test-store stele-test-engines stele-flags)
endfunction()
stele_power_writer(power_writer)
# And with memtables so small that RocksDB writes and merges tables all the time.
set(tuning ${PROJECT_SOURCE_DIR}/storage/engine_rocks_tuning.c)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${tuning})
file(READ ${tuning} text)
string(REGEX REPLACE "write_buffer_size=[0-9]+" "write_buffer_size=65536" text "${text}")
string(REGEX REPLACE "max_total_wal_size=[0-9]+" "max_total_wal_size=262144" text "${text}")
file(CONFIGURE OUTPUT small_tuning.c CONTENT "${text}" @ONLY)
stele_power_writer(power_writer_small ${CMAKE_CURRENT_BINARY_DIR}/small_tuning.c)
set(power_sources fault/power_rig.c fault/powercut_replay.c fault/powercut_file.c fault/sync_nothing.c)
stele_fault_test(power SOURCES ${power_sources} LIBS stele-test-crash)
add_dependencies(test_power power_writer power_writer_small)
target_compile_definitions(test_power PRIVATE STELE_POWER_WRITER="$<TARGET_FILE:power_writer>")

# A store that stops at each step that has a name, by death and by a power cut.
stele_fault_test(steps SOURCES ${power_sources} LIBS stele-test-crash)
add_dependencies(test_steps crash_writer power_writer)
target_compile_definitions(test_steps PRIVATE STELE_POWER_WRITER="$<TARGET_FILE:power_writer>")

# stele_power_mutant(NAME SOURCE SYNC): the same writer without one kind of sync: a file of the store is
# compiled again, and its object stands before that of the library. test_power must notice each.
function(stele_power_mutant name source)
  stele_power_writer(power_writer_${name} ../storage/${source})
  target_compile_options(power_writer_${name} PRIVATE ${ARGN})
  target_link_libraries(power_writer_${name} PRIVATE PkgConfig::ROCKSDB PkgConfig::SODIUM)
  add_dependencies(test_power power_writer_${name})
endfunction()
set(no_sync_of -include ${CMAKE_CURRENT_SOURCE_DIR}/fault/no_sync_of.h)
stele_power_mutant(no_append_sync engine_rocks.c -include ${CMAKE_CURRENT_SOURCE_DIR}/fault/no_sync.h)
stele_power_mutant(no_blob_sync engine_blobs.c ${no_sync_of} "-DSTELE_NO_SYNC_OF=w->fd")
stele_power_mutant(no_folder_sync engine_blobs.c ${no_sync_of} -DSTELE_NO_SYNC_OF=fd)
stele_power_mutant(no_file_sync file.c ${no_sync_of} -DSTELE_NO_SYNC_OF=fd)
stele_power_mutant(no_key_sync signer_sodium.c ${no_sync_of} -DSTELE_NO_SYNC_OF=fd)
target_compile_definitions(test_power PRIVATE STELE_POWER_WRITERS="$<TARGET_FILE_DIR:power_writer>")

# Calls of the engine that fail, one at a time.
stele_fault_test(broken SOURCES fault/batch_book.c fault/sync_nothing.c LIBS stele-test-store stele-test-engines)

# Acknowledged implies synced; and the same test over an engine whose appends are not synced.
set(serve_sources fault/serve_rig.c support/ingest_rig.c support/temp_folder.c)
set(acked_sources fault/sync_gate.c ${serve_sources})
stele_fault_test(acked SOURCES ${acked_sources} LIBS stele-tools)
add_library(unsynced-rocks OBJECT ../storage/engine_rocks.c)
target_compile_options(unsynced-rocks PRIVATE -include ${CMAKE_CURRENT_SOURCE_DIR}/fault/no_sync.h)
target_link_libraries(unsynced-rocks PRIVATE stele-flags PkgConfig::ROCKSDB)
add_executable(test_acked_off fault/test_acked.c ${acked_sources} $<TARGET_OBJECTS:unsynced-rocks>)
target_compile_definitions(test_acked_off PRIVATE STELE_SYNCS=false STELE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(test_acked_off PRIVATE stele-tools stele-flags PkgConfig::CMOCKA PkgConfig::ROCKSDB)
add_test(NAME fault.acked_off COMMAND test_acked_off)
set_tests_properties(fault.acked fault.acked_off PROPERTIES LABELS fault TIMEOUT 300
  ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
stele_fault_test(full_disk SOURCES fault/batch_book.c support/temp_folder.c LIBS stele-test-store stele-rpc)
stele_fault_test(rebuild SOURCES fault/batch_book.c fault/sync_nothing.c support/temp_folder.c support/memory_segment.c
  LIBS stele-test-store)
stele_fault_test(engine_manifest LIBS stele-test-behaviour)
stele_fault_test(failed_sync SOURCES fault/batch_book.c LIBS stele-sync-count stele-test-store)

# A chain that somebody changed; checkpoints and their records; the bounds and the clock of a log.
stele_fault_test(chain SOURCES fault/batch_book.c fault/chain_forge.c support/frame_whole.c LIBS stele-test-store stele-test-engines)
stele_fault_test(pack_forged SOURCES fault/batch_book.c fault/sync_nothing.c LIBS stele-test-store stele-test-engines)
stele_fault_test(index_forged SOURCES fault/batch_book.c fault/sync_nothing.c ${malicious_sources} LIBS stele-test-store)
stele_fault_test(index_failed SOURCES fault/batch_book.c fault/sync_nothing.c LIBS stele-test-store stele-test-engines)
stele_fault_test(checkpoints SOURCES support/temp_folder.c LIBS stele-test-store stele-test-engines)
stele_fault_test(log_bounds LIBS stele-test-store stele-test-engines)

# A disk on which calls fail: linked into the writer, and to be preloaded into steled.
add_executable(disk_writer fault/crash_writer.c fault/disk_fault.c)
target_link_libraries(disk_writer PRIVATE stele-test-store stele-test-engines stele-flags)
add_library(stele-disk-fault SHARED fault/disk_fault.c)
target_link_libraries(stele-disk-fault PRIVATE stele-flags)
stele_fault_test(broken_disk SOURCES fault/disk_fault_control.c fault/sync_nothing.c LIBS stele-test-crash)
add_dependencies(test_broken_disk disk_writer)
target_compile_definitions(test_broken_disk PRIVATE STELE_DISK_WRITER="$<TARGET_FILE:disk_writer>")
stele_fault_test(broken_server SOURCES fault/disk_fault.c fault/disk_fault_control.c ${serve_sources} LIBS stele-tools)
set_tests_properties(fault.broken_server PROPERTIES
  ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
# The same with steled as it is: the libraries are preloaded. A sanitizer's runtime wants to be the first itself.
if(STELE_PYTHON3 AND NOT STELE_FUZZ AND NOT STELE_SANITIZE)
  add_test(NAME fault.preloaded COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/tools/cli_test.py
    $<TARGET_FILE_DIR:stele> cli_disk)
  set_tests_properties(fault.preloaded PROPERTIES LABELS fault TIMEOUT 600
    ENVIRONMENT "STELE_TEST_LIBS=$<TARGET_FILE_DIR:stele-disk-fault>")
endif()
