# Long load against the real server over mutual TLS: memory, files and stalls. STELE_SOAK=1 runs it, for
# STELE_SOAK_SECONDS (1,200). Label: soak.
stele_unit_test(bench_histogram LIBS stele-tools)
if(STELE_PYTHON3 AND NOT STELE_FUZZ)
  add_test(NAME e2e.cli_bench COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/tools/cli_test.py
    $<TARGET_FILE_DIR:stele> cli_bench)
  set_tests_properties(e2e.cli_bench PROPERTIES LABELS e2e TIMEOUT 600)
  add_test(NAME soak.load COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/soak/load.py $<TARGET_FILE_DIR:stele>)
  set_tests_properties(soak.load PROPERTIES LABELS soak SKIP_RETURN_CODE 77 RUN_SERIAL TRUE TIMEOUT 14400)
endif()

stele_unit_test(mixed_load LABEL e2e SOURCES fault/serve_rig.c support/ingest_rig.c support/temp_folder.c LIBS stele-tools)
set_tests_properties(e2e.mixed_load PROPERTIES
  ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
