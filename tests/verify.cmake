# Tests of receipts, answer files, questions and the verifier. Labels: unit, golden, fuzz, layers.
include(${CMAKE_CURRENT_LIST_DIR}/fuzz.cmake)
set(sample support/sample_log.c support/tree_model.c)

stele_unit_test(receipt SOURCES ${sample} LIBS stele-verify)
