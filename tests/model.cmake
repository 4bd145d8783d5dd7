# Every state of the commit, pack, checkpoint and recovery protocol, and of packing, merging, INDEX entries, eras
# and their recovery, with two crashes. Label: prop.
set(model_sources model/walk.c model/model_steps.c model/model_disk.c model/model_check.c model/index_steps.c
  model/index_merge.c model/index_start.c model/index_check.c)
add_executable(test_protocol model/test_protocol.c ${model_sources})
target_link_libraries(test_protocol PRIVATE stele-storage-core stele-flags PkgConfig::CMOCKA)
target_compile_options(test_protocol PRIVATE -O2) # millions of states, in every build
if(STELE_SANITIZE MATCHES thread)
  # One thread: nothing to watch, and it would take minutes.
  set_source_files_properties(${model_sources} PROPERTIES COMPILE_OPTIONS -fno-sanitize=thread)
endif()
add_test(NAME prop.protocol COMMAND test_protocol)
set_tests_properties(prop.protocol PROPERTIES LABELS prop TIMEOUT 600)
stele_unit_test(clock LIBS stele-test-store)
