# The gRPC side: a real server and client on 127.0.0.1.
foreach(name rpc_status rpc_server rpc_drain rpc_limits rpc_security rpc_builtin rpc_python)
  stele_unit_test(${name} SOURCES support/rpc_echo.c LIBS stele-rpc)
  set_tests_properties(unit.${name} PROPERTIES
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")
endforeach()

# The event: schema table, walker, map, JSON form.
stele_unit_test(schema LIBS stele-event stele-proto-messages)
foreach(name event event_rules)
  stele_unit_test(${name} SOURCES support/event_focus.c LIBS stele-event)
endforeach()
