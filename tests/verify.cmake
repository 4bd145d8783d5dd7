# Tests of receipts, answer files, questions and the verifier. Labels: unit, golden, fuzz, layers.
include(${CMAKE_CURRENT_LIST_DIR}/fuzz.cmake)
set(sample support/sample_log.c support/sample_answer.c support/answer_forge.c support/answer_pair.c
  support/tree_model.c)

foreach(name receipt answer answer_damage answer_forgery event_filter question)
  stele_unit_test(${name} SOURCES ${sample} LIBS stele-verify)
endforeach()
foreach(name verify verify_entries)
  stele_unit_test(${name} SOURCES ${sample} support/verify_bed.c LIBS stele-verify PkgConfig::CMOCKA)
endforeach()
# Complete answers, over logs that are naive models.
add_library(stele-test-complete STATIC support/complete_model.c support/complete_trees.c support/complete_asked.c support/complete_plan.c
  support/complete_encode.c support/complete_bed.c support/complete_forge.c support/complete_one.c support/answer_forge.c support/sample_log.c support/tree_model.c)
target_link_libraries(stele-test-complete PUBLIC stele-verify PkgConfig::CMOCKA)
foreach(name complete complete_forgery complete_forged_parts complete_lies complete_gaps complete_corruption complete_trust complete_order complete_number)
  stele_unit_test(${name} LIBS stele-test-complete)
endforeach()
stele_unit_test(fraud SOURCES support/fraud_case.c LIBS stele-test-complete stele-storage)
stele_fuzz_target(fraud LIBS stele-storage-core)
stele_unit_test(golden_complete LABEL golden LIBS stele-test-complete)
stele_fuzz_target(complete LIBS stele-verify)
stele_unit_test(golden_verify LABEL golden SOURCES ${sample} LIBS stele-verify)
# The same files read by a second implementation, in Python's standard library.
add_test(NAME golden.verify_python COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/check_verify.py)
set_tests_properties(golden.verify_python PROPERTIES LABELS golden TIMEOUT 300)

add_test(NAME golden.complete_python COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/check_complete.py)
set_tests_properties(golden.complete_python PROPERTIES LABELS golden TIMEOUT 300)

foreach(name receipt answer question)
  stele_fuzz_target(${name} LIBS stele-verify)
endforeach()

# The installed library, used from outside the tree.
if(NOT STELE_FUZZ)
  set(sanitize)
  if(STELE_SANITIZE)
    set(sanitize -fsanitize=${STELE_SANITIZE})
  endif()
  add_test(NAME layers.verify_links
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/layers/verify_links.sh ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}
      ${CMAKE_COMMAND} ${CMAKE_C_COMPILER} ${sanitize})
  set_tests_properties(layers.verify_links PROPERTIES LABELS layers TIMEOUT 120)
endif()

# `stele verify`, by itself.
add_executable(verify_main tools/verify_main.c)
target_link_libraries(verify_main PRIVATE stele-verify-command)
add_test(NAME e2e.verify_command COMMAND /usr/bin/python3
  ${CMAKE_CURRENT_SOURCE_DIR}/tools/verify_command.py $<TARGET_FILE:verify_main> ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1)
set_tests_properties(e2e.verify_command PROPERTIES LABELS e2e TIMEOUT 120)
