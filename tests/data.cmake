# Real records through the real server, a client in another language, and the public face of a log.
# Labels: data, e2e. They need /usr/bin/python3 with grpcio, and data.* the folder ../shared/data; without: skipped.
# STELE_DATA_FULL=1 adds the soak tests; STELE_DATA_EVERY=n takes one event in n.
set(tools --tools $<TARGET_FILE_DIR:stele>)
set(inputs --data ${PROJECT_SOURCE_DIR}/../shared/data)
set(bed /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/data/run_bed.py ${tools} ${inputs})
set(tiles /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/data/check_tiles.py ${tools})

add_test(NAME e2e.foreign_client
  COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/foreign/test_foreign_client.py ${tools})
add_test(NAME e2e.tiles COMMAND ${tiles})
add_test(NAME data.records COMMAND ${bed} arena_hard webhooks openlineage cloudtrail azure_llm git_approvals)
add_test(NAME data.git_history COMMAND ${bed} git_history)
add_test(NAME data.soak COMMAND ${bed} --soak mlperf git_history git_approvals azure_llm)
add_test(NAME e2e.tiles_soak COMMAND ${tiles} --soak)
set_tests_properties(e2e.foreign_client e2e.tiles e2e.tiles_soak PROPERTIES LABELS e2e)
set_tests_properties(data.records data.git_history data.soak PROPERTIES LABELS data)
set_tests_properties(e2e.foreign_client e2e.tiles e2e.tiles_soak data.records data.git_history data.soak
  PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500)
# The longest first, so that nothing else waits for them at the end.
set_tests_properties(data.records data.git_history PROPERTIES COST 1000)
set_tests_properties(data.soak e2e.tiles_soak PROPERTIES TIMEOUT 7200)
# Every fourth of the 436,813 rows, and half of the others: the whole bed takes many minutes and is in data.soak.
set_tests_properties(data.git_history PROPERTIES ENVIRONMENT "STELE_DATA_EVERY=4")
set_tests_properties(data.records PROPERTIES ENVIRONMENT "STELE_DATA_EVERY=2")
if(STELE_SANITIZE)
  # An instrumented server takes ten times as long; what it adds is seen with fewer events too.
  set_tests_properties(data.records data.git_history PROPERTIES ENVIRONMENT "STELE_DATA_EVERY=16")
endif()
