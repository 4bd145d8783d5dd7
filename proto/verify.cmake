# stele-verify: filter, question and the offline verifier. In the tree it links the layers below; what is
# installed is one archive with all their objects, so that a user links it, libcrypto and libsodium.
add_library(stele-verify STATIC event_filter.c question.c verify.c verify_complete.c verify_state.c utc.c)
target_link_libraries(stele-verify PUBLIC stele-event stele-storage-core)

add_library(stele-verify-archive STATIC
  $<TARGET_OBJECTS:stele-verify> $<TARGET_OBJECTS:stele-event> $<TARGET_OBJECTS:stele-storage-core>)
set_target_properties(stele-verify-archive PROPERTIES
  LINKER_LANGUAGE C OUTPUT_NAME stele-verify
  ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/install)

include(GNUInstallDirs)
configure_file(stele-verify.pc.in ${CMAKE_CURRENT_BINARY_DIR}/stele-verify.pc @ONLY)
install(TARGETS stele-verify-archive ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT verify)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/stele-verify.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT verify)
set(storage_headers status bytes hash tree signer note checkpoint entry tag receipt answer descriptor window witness
  complete complete_reader)
list(TRANSFORM storage_headers REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/storage/\\1.h")
install(FILES ${storage_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stele/storage COMPONENT verify)
install(FILES event.h event_map.h event_filter.h verify.h verify_state.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stele/proto COMPONENT verify)
