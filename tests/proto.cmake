# The gRPC side: a real server and client on 127.0.0.1.
foreach(name rpc_status rpc_server rpc_calls rpc_drain rpc_limits rpc_security rpc_builtin rpc_python rpc_connect rpc_burst)
  stele_unit_test(${name} SOURCES support/rpc_echo.c LIBS stele-rpc)
  set_tests_properties(unit.${name} PROPERTIES
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
endforeach()

# It stands in for C++'s new alone: what it gave is let go with C++'s own delete.
set_property(TEST unit.rpc_connect APPEND PROPERTY ENVIRONMENT "ASAN_OPTIONS=alloc_dealloc_mismatch=0")

stele_unit_test(rpc_share LIBS stele-rpc)

# The event: schema table, walker, map, JSON form.
add_library(stele-test-events STATIC support/event_gen.c support/event_gen_any.c support/event_focus.c)
target_link_libraries(stele-test-events PUBLIC stele-event m)
stele_unit_test(schema LIBS stele-test-events stele-proto-messages)
foreach(name event event_rules)
  stele_unit_test(${name} LIBS stele-test-events)
endforeach()
stele_unit_test(event_map LABEL golden SOURCES support/vectors.c LIBS stele-test-events PkgConfig::JANSSON)
stele_unit_test(time LIBS stele-event)
stele_unit_test(event_json LABEL golden SOURCES support/vectors.c LIBS stele-test-events stele-event-json)
stele_unit_test(event_property LABEL prop LIBS stele-test-events stele-event-json stele-proto-messages)
if(STELE_PYTHON3)
  add_test(NAME golden.events COMMAND ${STELE_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/golden/v1/events.py --check)
  set_tests_properties(golden.events PROPERTIES LABELS golden SKIP_RETURN_CODE 77 TIMEOUT 60)
endif()
foreach(name event event_map event_json)
  stele_fuzz_target(${name} LIBS stele-event-json)
endforeach()

foreach(name rpc_message rpc_reflection)
  stele_fuzz_target(${name} LIBS stele-rpc)
endforeach()
