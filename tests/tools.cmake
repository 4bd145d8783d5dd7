# Tests of the two programs. Labels: unit.
foreach(name cli_time lines config)
  stele_unit_test(${name} SOURCES support/temp_folder.c LIBS stele-tools)
endforeach()
stele_unit_test(shipper SOURCES support/append_fake.c LIBS stele-tools)
set_tests_properties(unit.shipper PROPERTIES
  ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
