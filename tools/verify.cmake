# `stele verify` as a library of its own: it links the verifier and jansson, nothing of the store.
add_library(stele-verify-command STATIC verify_command.c state_file.c verify_report.c verify_report_json.c verify_fraud.c)
target_link_libraries(stele-verify-command PUBLIC stele-verify PRIVATE PkgConfig::JANSSON)
