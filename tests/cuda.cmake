# Tests of the CUDA kernels and, when they are emulated, of the emulator. Labelled cuda; the target
# cuda_tests builds them all.

rela_cuda_objects(cuda_wrappers ROOMS kernels tests KERNELS cuda/wrappers.cu)
rela_tests(cuda_kernel_tests LIGHT
  SOURCES
    cuda/test_attention.cpp
    cuda/test_batch_norm.cpp
    cuda/test_conv2d.cpp
    cuda/test_elementwise.cpp
    cuda/test_gather.cpp
    cuda/test_gram.cpp
    cuda/test_l2_normalize.cpp
    cuda/test_linear.cpp
    cuda/test_loss.cpp
    cuda/test_matmul.cpp
    cuda/test_normalize_u8.cpp
    cuda/test_op_cases.cpp
    cuda/test_optimizer.cpp
    cuda/test_pad_channels.cpp
    cuda/test_pool2d.cpp
    cuda/test_reduce.cpp
    cuda/test_relu.cpp
    cuda/test_render_views.cpp
    cuda/test_top_k.cpp
    cuda/test_transformer.cpp
    cuda/test_transport_loss.cpp
    cuda/test_wrappers.cpp
    support/skip_without_gpu.cpp
    $<TARGET_OBJECTS:cuda_wrappers>
  LINKS
    op_cases
  LABELS cuda)

if(RELA_CUDA STREQUAL "SIMT")
  add_test(NAME cuda.kernel_tests_without_a_gpu COMMAND cuda_kernel_tests --gtest_brief=1)
  set_tests_properties(cuda.kernel_tests_without_a_gpu PROPERTIES
    LABELS cuda TIMEOUT 120 ENVIRONMENT RELA_SIMT_DEVICES=0
    PASS_REGULAR_EXPRESSION "PASSED  ] 0 tests" FAIL_REGULAR_EXPRESSION "FAILED")
endif()

# The cuda device of runtime/, nn/ and rela/
rela_tests(cuda_runtime_tests
  SOURCES
    cuda/test_device_evaluation.cpp
    cuda/test_device_runtime.cpp
    cuda/test_device_training.cpp
    cuda/test_kernel_coverage.cpp
    cuda/test_recorded_work.cpp
  LINKS
    rela
  LABELS cuda)

rela_tests(cudnn_plan_tests
  SOURCES
    cuda/test_cudnn_plans.cpp
  LINKS
    nn
    $<TARGET_NAME_IF_EXISTS:kernels_cudnn>
  LABELS cuda)
if(RELA_CUDNN_FOUND)
  find_file(RELA_CUDA_DRIVER_STUB libcuda.so NO_DEFAULT_PATH DOC "the toolkit's stub of the driver"
    HINTS ${RELA_CUDA_INCLUDE_DIR}/../lib64 ${RELA_CUDA_INCLUDE_DIR}/../lib
          ${RELA_CUDA_INCLUDE_DIR}/../lib/x86_64-linux-gnu
    PATH_SUFFIXES stubs)
  target_sources(cudnn_plan_tests PRIVATE cuda/test_cudnn_attention_plans.cpp)
  set_source_files_properties(cuda/test_cudnn_attention_plans.cpp PROPERTIES
    COMPILE_DEFINITIONS RELA_CUDA_DRIVER_STUB="${RELA_CUDA_DRIVER_STUB}")
endif()

add_custom_target(cuda_tests DEPENDS cuda_kernel_tests cuda_runtime_tests cudnn_plan_tests
  train_byol embed evaluate transport)

if(RELA_CUDA STREQUAL "SIMT")
  rela_tests(simt_emulator_tests LIGHT
    SOURCES
      simt/test_barrier.cpp
      simt/test_launch.cpp
      simt/test_memory.cpp
      simt/test_names.cpp
      simt/test_streams.cpp
      simt/test_tensor_core.cpp
      simt/test_warp.cpp
    LINKS
      kernels
      rela_cuda_headers
    LABELS cuda)
  target_compile_options(simt_emulator_tests PRIVATE ${RELA_EMULATED_OPTIONS})
  add_dependencies(cuda_tests simt_emulator_tests)
  rela_rank_tests(nccl_twin_tests SOURCES cuda/test_nccl_twin.cpp LINKS kernels RANKS 2 LABELS cuda)
  if(TARGET nccl_twin_tests)
    add_dependencies(cuda_tests nccl_twin_tests)
  endif()
  if(RELA_SANITIZE MATCHES "thread")
    target_sources(simt_emulator_tests PRIVATE simt/test_races.cpp)
    foreach(binary cuda_kernel_tests simt_emulator_tests)
      target_sources(${binary} PRIVATE support/tsan_options.cpp)
    endforeach()
  endif()
endif()
