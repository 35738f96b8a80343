# Tests of the CUDA kernels and, when they are emulated, of the emulator

rela_tests(cuda_kernel_tests
  SOURCES
    cuda/test_batch_norm.cpp
    cuda/test_conv2d.cpp
    cuda/test_elementwise.cpp
    cuda/test_l2_normalize.cpp
    cuda/test_linear.cpp
    cuda/test_loss.cpp
    cuda/test_normalize_u8.cpp
    cuda/test_optimizer.cpp
    cuda/test_pool2d.cpp
    cuda/test_random_bits.cpp
    cuda/test_reduce.cpp
    cuda/test_relu.cpp
  LINKS
    kernels)

# The cuda device of runtime/, nn/ and rela/
rela_tests(cuda_runtime_tests
  SOURCES
    cuda/test_device_runtime.cpp
  LINKS
    rela)

rela_tests(cudnn_plan_tests
  SOURCES
    cuda/test_cudnn_plans.cpp
  LINKS
    nn
    $<TARGET_NAME_IF_EXISTS:kernels_cudnn>)
