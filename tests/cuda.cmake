# Tests of the CUDA kernels and, when they are emulated, of the emulator

rela_tests(cuda_kernel_tests
  SOURCES
    cuda/test_relu.cpp
  LINKS
    kernels)
