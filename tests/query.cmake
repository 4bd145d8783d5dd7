# The query layer: messages, questions, plans, the search, cursors, proofs, and the services.
stele_unit_test(query_wire LIBS stele-service stele-proto-messages stele-test-store)
stele_unit_test(log_wire LIBS stele-service stele-proto-messages)

# A store full of events and the same events in an array.
add_library(stele-test-query STATIC support/query_bed.c)
target_link_libraries(stele-test-query PUBLIC stele-query stele-test-store stele-test-engines)
stele_unit_test(query_search LIBS stele-test-query LABEL prop)
foreach(name query_filter query_cursor query_workers)
  stele_unit_test(${name} LIBS stele-query)
endforeach()
stele_unit_test(query_plan LIBS stele-test-query)

# The services over a transport that is the test itself: its objects stand before stele-rpc.
foreach(name query_calls query_refusals query_proofs query_known query_keys query_number query_log)
  stele_unit_test(${name} SOURCES support/rpc_fake.c support/query_client.c
    LIBS stele-test-query stele-proto-messages)
endforeach()

# A million events; STELE_SOAK=1 runs it, with STELE_SOAK_EVENTS of them.
stele_unit_test(complete_soak LABEL prop SOURCES support/rpc_fake.c support/query_client.c
  LIBS stele-test-query stele-proto-messages)
set_tests_properties(prop.complete_soak PROPERTIES TIMEOUT 7200)

# Behind the real server, over the real store.
stele_unit_test(query_rpc LIBS stele-test-query LABEL e2e)
set_tests_properties(e2e.query_rpc PROPERTIES
  ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp")

stele_fuzz_target(query_cursor LIBS stele-query)
stele_fuzz_target(query_request LIBS stele-query)
stele_fuzz_target(hit_wire LIBS stele-service)
stele_fuzz_target(replay_wire LIBS stele-service)
stele_unit_test(replay_wire LIBS stele-service stele-proto-messages)
