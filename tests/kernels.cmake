# Tests of kernels/

rela_tests(kernels_op_tests
  SOURCES
    kernels/cases/batch_norm.cpp
    kernels/cases/conv2d.cpp
    kernels/cases/elementwise.cpp
    kernels/cases/linear.cpp
    kernels/cases/loss.cpp
    kernels/cases/pool2d.cpp
    kernels/op_cases.cpp
    kernels/test_op_cases.cpp
    kernels/test_op_list.cpp
  LINKS rela)
target_compile_definitions(kernels_op_tests PRIVATE
  RELA_OPS_HEADER="${CMAKE_SOURCE_DIR}/runtime/ops/ops.h")

rela_tests(kernels_norm_tests
  SOURCES
    kernels/test_batch_norm.cpp
    kernels/test_elementwise.cpp
    kernels/test_loss.cpp
    kernels/test_statistics.cpp
  LINKS rela)
rela_tests(similarity_tests
  SOURCES
    kernels/top_k_test.cpp
  LINKS
    kernels)
