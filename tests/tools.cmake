# Tests of the two programs: the command contract against real processes. Labels: unit, e2e.
find_program(STELE_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(STELE_PYTHON3 AND NOT STELE_FUZZ)
  foreach(module init append import query streams evidence server bench_own index audit state check_index)
    add_test(NAME e2e.cli_${module} COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/tools/cli_test.py
      $<TARGET_FILE_DIR:stele> cli_${module})
    set_tests_properties(e2e.cli_${module} PROPERTIES LABELS e2e TIMEOUT 600)
  endforeach()
endif()

foreach(name cli_time lines config)
  stele_unit_test(${name} SOURCES support/temp_folder.c LIBS stele-tools)
endforeach()
stele_unit_test(key_question LIBS stele-tools stele-test-events)
stele_unit_test(shipper SOURCES support/append_fake.c LIBS stele-tools)
set_tests_properties(unit.shipper PROPERTIES
  ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
