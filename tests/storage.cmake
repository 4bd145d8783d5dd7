# Tests of storage/. Labels: unit, prop, golden, fuzz, layers.
include(${CMAKE_CURRENT_LIST_DIR}/fuzz.cmake)

foreach(name status bytes cursor hash tree base64 tiles note checkpoint signer
    entry tag state history tree_range)
  stele_unit_test(${name} SOURCES support/tree_model.c LIBS stele-storage-core)
endforeach()

foreach(name vectors_rfc6962 vectors_note vectors_tiles)
  stele_unit_test(${name} SOURCES support/vectors.c support/tree_model.c
    LIBS stele-storage-core PkgConfig::JANSSON)
endforeach()

stele_unit_test(segment_property LABEL prop SOURCES support/memory_segment.c LIBS stele-storage)

stele_unit_test(tree_properties LABEL prop SOURCES support/tree_model.c LIBS stele-storage-core)

# The golden files against the C code, and against the Python script that is their second source.
stele_unit_test(golden_core LABEL golden SOURCES support/vectors.c LIBS stele-storage-core PkgConfig::JANSSON)
find_program(STELE_PYTHON3 NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(STELE_PYTHON3)
  add_test(NAME golden.generate COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/generate.py --check)
  set_tests_properties(golden.generate PROPERTIES LABELS golden TIMEOUT 60)
endif()

foreach(name note checkpoint tile_path entry state vkey)
  stele_fuzz_target(${name} LIBS stele-storage-core)
endforeach()

# Engines for tests of what stands above the engine: link stele-test-engines.
add_library(stele-test-engines STATIC
  support/byte_map.c
  support/engine_memory.c
  support/engine_fault.c
  support/engine_step.c)
target_link_libraries(stele-test-engines PUBLIC stele-storage)

# What an engine promises, over each engine.
add_library(stele-test-behaviour STATIC
  support/engine_behaviour.c
  support/engine_behaviour_blobs.c
  support/temp_folder.c)
target_link_libraries(stele-test-behaviour PUBLIC stele-storage PkgConfig::CMOCKA)
foreach(name engine_memory engine_rocks)
  stele_unit_test(${name} LIBS stele-test-behaviour stele-test-engines)
endforeach()
stele_unit_test(engine_property LABEL prop LIBS stele-test-behaviour stele-test-engines)
stele_unit_test(keyring LIBS stele-test-behaviour)

# Made-up events, and the program that makes a dictionary of them: no part of the store.
add_library(event-generator STATIC
  ../storage/dictionary/event_generator.c ../storage/dictionary/event_parties.c
  ../storage/dictionary/event_bodies.c ../storage/dictionary/event_writer.c)
target_link_libraries(event-generator PUBLIC stele-storage-core)
add_executable(train-dictionary ../storage/dictionary/train.c)
target_link_libraries(train-dictionary PRIVATE event-generator PkgConfig::ZSTD)
# Says whether this machine's zstd would train the same bytes; fails if they pack 5 % better or worse.
add_test(NAME data.dictionary COMMAND train-dictionary --compare)
set_tests_properties(data.dictionary PROPERTIES LABELS data TIMEOUT 300)

stele_unit_test(compress LIBS stele-storage event-generator)
stele_fuzz_target(decompress LIBS stele-storage)

# Rules that a search can check, and the proof that the searches find what they look for.
foreach(rules layers house)
  add_test(NAME ${rules} COMMAND sh ${PROJECT_SOURCE_DIR}/tools/check_${rules}.sh ${PROJECT_SOURCE_DIR})
endforeach()
add_test(NAME layers.scripts
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/layers/test_scripts.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(layers house layers.scripts PROPERTIES LABELS layers TIMEOUT 120)

# The log over the real engine, with real events.
add_library(stele-test-store STATIC support/store_fixture.c support/event_gen.c support/event_gen_any.c)
target_link_libraries(stele-test-store PUBLIC stele-storage stele-event PkgConfig::CMOCKA m)
stele_unit_test(log LIBS stele-test-store)
stele_unit_test(log_concurrent LIBS stele-test-store)
stele_unit_test(log_ahead LIBS stele-test-store)
stele_unit_test(frames_ahead LIBS stele-test-store)
stele_unit_test(seq_windows SOURCES support/memory_segment.c LIBS stele-test-store)
stele_unit_test(indexer SOURCES support/index_model.c LIBS stele-test-store stele-test-engines)
stele_unit_test(index_tail LIBS stele-storage)
stele_unit_test(era_cut LIBS stele-test-store)
set(malicious_sources support/malicious_store.c support/disordered_segment.c support/memory_segment.c)
stele_unit_test(audit SOURCES ${malicious_sources} support/audit_bed.c LIBS stele-test-store)
stele_fuzz_target(audit_progress LIBS stele-storage)
stele_fuzz_target(replay_bundle LIBS stele-storage)
stele_unit_test(audit_entry SOURCES ${malicious_sources} support/audit_bed.c support/tree_model.c LIBS stele-test-store)
stele_unit_test(audit_sample SOURCES ${malicious_sources} support/audit_bed.c LIBS stele-test-store)
stele_unit_test(audit_resume SOURCES ${malicious_sources} support/audit_bed.c LIBS stele-test-store)
stele_unit_test(replay_read SOURCES ${malicious_sources} support/audit_bed.c LIBS stele-test-store)
# For the tests of `stele audit`: a region whose operator lies.
add_executable(malicious_store tools/malicious_store.c ${malicious_sources})
target_link_libraries(malicious_store PRIVATE stele-test-store)

foreach(name segment segment_forged segment_heads)
  stele_unit_test(${name} SOURCES support/memory_segment.c LIBS stele-storage)
endforeach()
stele_unit_test(golden_segment LABEL golden SOURCES support/memory_segment.c LIBS stele-storage)
if(STELE_PYTHON3)
  add_test(NAME golden.segment_py COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/segment.py --check)
  set_tests_properties(golden.segment_py PROPERTIES LABELS golden TIMEOUT 60)
endif()
stele_fuzz_target(segment LIBS stele-storage SOURCES support/memory_segment.c)
set(seal_sources support/memory_segment.c support/seal_model.c)
stele_unit_test(seal SOURCES ${seal_sources} LIBS stele-storage)
stele_unit_test(seal_busy SOURCES ${seal_sources} LIBS stele-storage)
stele_unit_test(segment_ref SOURCES ${seal_sources} LIBS stele-test-engines)
stele_unit_test(golden_seal LABEL golden SOURCES ${seal_sources} LIBS stele-storage)
if(STELE_PYTHON3)
  add_test(NAME golden.seal_py COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/seal.py --check)
  set_tests_properties(golden.seal_py PROPERTIES LABELS golden TIMEOUT 60)
endif()
stele_fuzz_target(seal LIBS stele-storage PkgConfig::CMOCKA SOURCES ${seal_sources})
foreach(name record snapshot)
  stele_fuzz_target(${name} LIBS stele-storage)
endforeach()
stele_fuzz_target(pack LIBS stele-test-engines)
stele_unit_test(record LIBS stele-storage)
stele_unit_test(frame SOURCES support/frame_whole.c LIBS stele-storage)
stele_unit_test(head LIBS stele-storage)
if(STELE_PYTHON3)
  add_test(NAME golden.record COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/record.py --check)
  set_tests_properties(golden.record PROPERTIES LABELS golden TIMEOUT 60)
endif()
