# Tests of runtime/

rela_tests(runtime_io_tests
  SOURCES
    runtime/test_content_reader.cpp
    runtime/test_file_lock.cpp
    runtime/test_file.cpp
    runtime/test_hash.cpp
    runtime/test_json.cpp
    runtime/test_log.cpp
    runtime/test_nearest.cpp
    runtime/test_open_weights.cpp
    runtime/test_pickle.cpp
    runtime/test_safetensors_hostile.cpp
    runtime/test_safetensors.cpp
    runtime/test_zip_archive.cpp
  LINKS
    runtime
    ZLIB::ZLIB)

rela_tests(runtime_tests
  SOURCES
    runtime/test_allocator.cpp
    runtime/test_cpu_limit.cpp
    runtime/test_memory_limit.cpp
    runtime/test_gpu_facts.cpp
    runtime/test_kernel_table.cpp
    runtime/test_launch.cpp
    runtime/test_memory_source.cpp
    runtime/test_tape.cpp
    runtime/test_tensor.cpp
  LINKS
    runtime)
