# Fuzz targets of files and texts that no other area has. tests/fuzz/README.md says which parser is where.
foreach(name engine_files frame)
  stele_fuzz_target(${name} LIBS stele-storage)
endforeach()
foreach(name config vkeys_file not_before texts)
  stele_fuzz_target(${name} LIBS stele-tools)
endforeach()
