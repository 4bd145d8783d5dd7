# Bad input against the real server, one row a case, and frames of HTTP/2 that are none. Label: e2e.
# They need /usr/bin/python3 with grpcio; without: skipped. STELE_SOAK=1 in the environment runs the frames long.
set(refusals ${CMAKE_CURRENT_SOURCE_DIR}/refusals)
set(refusals_tools --tools $<TARGET_FILE_DIR:stele>)
if(STELE_SANITIZE)
  list(APPEND refusals_tools --instrumented)
endif()
add_test(NAME e2e.refusals COMMAND /usr/bin/python3 ${refusals}/test_refusals.py ${refusals_tools})
set_tests_properties(e2e.refusals PROPERTIES LABELS e2e SKIP_RETURN_CODE 77 RUN_SERIAL TRUE TIMEOUT 1500)

# Some hundred cases of one seed in every run; two minutes of a new one in the soak.
set(refusals_frames /usr/bin/python3 ${refusals}/http2_frames.py ${refusals_tools})
add_test(NAME e2e.http2_frames COMMAND ${refusals_frames} --seed 1 --cases 400)
add_test(NAME e2e.http2_frames_soak COMMAND ${refusals_frames} --soak)
set_tests_properties(e2e.http2_frames e2e.http2_frames_soak PROPERTIES LABELS e2e SKIP_RETURN_CODE 77 TIMEOUT 900)
