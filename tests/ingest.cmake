# Tests of ingest/ and of the parts of proto/ made for it. Labels: unit, prop, fuzz, data.
include(${CMAKE_CURRENT_LIST_DIR}/fuzz.cmake)

stele_unit_test(append_wire LIBS stele-service stele-proto-messages)
stele_unit_test(access LIBS stele-service)
stele_unit_test(work LIBS stele-ingest)
stele_unit_test(dedup LIBS stele-ingest)

# With a store that fails on demand, linked in the place of stele-storage.
set(fake support/ingest_rig.c support/log_fake.c)
stele_unit_test(admit SOURCES ${fake} LIBS stele-ingest)
stele_unit_test(journal SOURCES ${fake} LIBS stele-ingest stele-proto-messages)
stele_unit_test(ingest_faults SOURCES ${fake} LIBS stele-ingest)
stele_unit_test(recall_fill LIBS stele-test-query stele-ingest)
stele_unit_test(ingest_streams SOURCES ${fake} LIBS stele-ingest)

# With real stores.
foreach(name ingest_refusals ingest_rpc)
  stele_unit_test(${name} SOURCES support/ingest_rig.c support/ingest_bed.c support/temp_folder.c
    LIBS stele-ingest stele-test-engines)
endforeach()
stele_unit_test(ingest_hammer SOURCES support/ingest_rig.c support/temp_folder.c LIBS stele-ingest)
foreach(name ingest_faults ingest_streams ingest_refusals ingest_rpc ingest_hammer)
  set_tests_properties(unit.${name} PROPERTIES
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
endforeach()

stele_fuzz_target(append_wire LIBS stele-service)

# Foreign records.
stele_unit_test(json_records SOURCES support/temp_folder.c LIBS stele-import PkgConfig::ZLIB)
stele_unit_test(cloudtrail LIBS stele-import PkgConfig::JANSSON)
stele_unit_test(cloudtrail_data LABEL data SOURCES support/temp_folder.c
  LIBS stele-import PkgConfig::JANSSON)
stele_fuzz_target(cloudtrail LIBS stele-import)
