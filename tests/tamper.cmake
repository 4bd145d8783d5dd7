# Changed stores and restored copies: what is on disk is not what was put there. Label: fault.
stele_unit_test(tamper LABEL fault SOURCES support/store_answers.c LIBS stele-test-store stele-test-engines)
stele_unit_test(not_before LABEL fault SOURCES support/temp_folder.c LIBS stele-test-store)
if(STELE_PYTHON3 AND NOT STELE_FUZZ)
  foreach(module rollback tamper)
    add_test(NAME e2e.cli_${module} COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/tools/cli_test.py
      $<TARGET_FILE_DIR:stele> cli_${module})
    set_tests_properties(e2e.cli_${module} PROPERTIES LABELS e2e TIMEOUT 600)
  endforeach()
endif()
stele_fault_test(tamper_files SOURCES fault/tamper_trial.c support/store_answers.c fault/sync_nothing.c
  fault/reserve_nothing.c LIBS stele-test-store)
# Each byte of a store in a soak: some 120,000 stores are opened, in ten minutes of two cores.
set_tests_properties(fault.tamper_files PROPERTIES TIMEOUT 14400)
if(STELE_SANITIZE MATCHES thread)
  # One opening of a store takes ten times as long there, and no two threads meet in these.
  target_compile_definitions(test_tamper PRIVATE STELE_TRIES=10)
  target_compile_definitions(test_engine_recovery PRIVATE STELE_TRIES=2)
endif()
