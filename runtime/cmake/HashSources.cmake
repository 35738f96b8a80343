# cmake -DSOURCES="a;b" -DOUT=hash.cpp -P HashSources.cmake
# Writes a source that defines rela::kernel_sources_hash() (kernels/libraries/tuning/kernel_sources.h).
set(hashes "")
foreach(source ${SOURCES})
  file(SHA256 ${source} hash)
  string(APPEND hashes ${hash})
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING ${hash} 0 12 hash)
file(WRITE ${OUT} "#include \"kernels/libraries/tuning/kernel_sources.h\"\n\n"
                  "const char* rela::kernel_sources_hash() { return \"${hash}\"; }\n")
