# Readers of files from elsewhere: with random mistakes as a test, and as libFuzzer's targets where the compiler is
# clang. To fuzz, instrument the libraries too and start from sound files:
#   cmake -B build-fuzz -DCMAKE_CXX_COMPILER=clang++ -DRELA_SANITIZE=fuzzer-no-link,address,undefined
#   cmake --build build-fuzz --target fuzz_pickle && mkdir -p found && build-fuzz/tests/fuzz_pickle found tests/golden/weights
rela_tests(fuzz_tests LIGHT
  SOURCES
    fuzz/targets.cpp
    fuzz/test_mutations.cpp
  LINKS
    runtime
    ZLIB::ZLIB)
rela_tests(photo_fuzz_tests
  SOURCES
    fuzz/photo_targets.cpp
    fuzz/test_photo_mutations.cpp
  LINKS
    rela)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  foreach(target safetensors zip pickle torch_file torch_tensors)
    add_executable(fuzz_${target} EXCLUDE_FROM_ALL fuzz/fuzzer.cpp fuzz/targets.cpp)
    target_compile_definitions(fuzz_${target} PRIVATE RELA_FUZZ_TARGET=fuzz_${target})
    target_link_libraries(fuzz_${target} PRIVATE runtime tests ZLIB::ZLIB)
    target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer)
  endforeach()
  foreach(target image tar pack pack_index)
    add_executable(fuzz_${target} EXCLUDE_FROM_ALL fuzz/fuzzer.cpp fuzz/photo_targets.cpp)
    target_compile_definitions(fuzz_${target} PRIVATE RELA_FUZZ_TARGET=fuzz_${target})
    target_link_libraries(fuzz_${target} PRIVATE rela tests)
    target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
