# The gRPC side: a real server and client on 127.0.0.1.
foreach(name rpc_server)
  stele_unit_test(${name} SOURCES support/rpc_echo.c LIBS stele-rpc)
endforeach()
