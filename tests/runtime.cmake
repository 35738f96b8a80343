# Tests of runtime/

rela_tests(runtime_io_tests
  SOURCES
    runtime/content_reader_test.cpp
    runtime/file_lock_test.cpp
    runtime/file_test.cpp
    runtime/hash_test.cpp
    runtime/json_test.cpp
    runtime/log_test.cpp
    runtime/nearest_test.cpp
    runtime/safetensors_hostile_test.cpp
    runtime/safetensors_test.cpp
  LINKS
    runtime
    ZLIB::ZLIB)

rela_tests(runtime_tests
  SOURCES
    runtime/test_allocator.cpp
    runtime/test_gpu_facts.cpp
    runtime/test_kernel_table.cpp
    runtime/test_tape.cpp
    runtime/test_tensor.cpp
  LINKS
    runtime)
