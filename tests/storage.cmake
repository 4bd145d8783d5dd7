# Tests of storage/. Labels: unit, prop, golden, fuzz, layers.
include(${CMAKE_CURRENT_LIST_DIR}/fuzz.cmake)
