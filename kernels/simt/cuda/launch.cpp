#include "kernels/simt/cuda/launch.h"

#include <cuda_runtime.h>

#include <string>

#include "kernels/simt/kernel_name.h"
#include "kernels/simt/launch_log.h"

namespace rela::simt {
namespace {

constexpr size_t kSharedBytesWithoutOptIn = 48u << 10;

std::string kernel_name(const void* kernel) {
  const char* symbol = nullptr;
  return cudaFuncGetName(&symbol, kernel) == cudaSuccess ? readable_kernel_name(symbol)
                                                         : "a kernel";
}

/// Errors inside a kernel, which are reported by whatever is called next.
bool is_of_a_kernel(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorAssert:
    case cudaErrorLaunchTimeout:
    case cudaErrorLaunchFailure:
      return true;
    default:
      return false;
  }
}

std::string describe(cudaError_t status) {
  return std::string(cudaGetErrorString(status)) + " (" + cudaGetErrorName(status) + ")" +
         (is_of_a_kernel(status) ? last_launches(kernel_name) : "");
}

void check(cudaError_t status, const void* kernel, const LaunchConfig& config) {
  if (status == cudaSuccess) return;
  forget_last_error();
  const auto triple = [](const dim3& v) {
    return std::to_string(v.x) + " x " + std::to_string(v.y) + " x " + std::to_string(v.z);
  };
  throw Error(kernel_name(kernel) + ", launched at " + to_string(config.site) + " with a grid of " +
              triple(config.grid) + ", blocks of " + triple(config.block) + " and " +
              std::to_string(config.shared_bytes) +
              " bytes of dynamic shared memory: " + describe(status));
}

}  // namespace

void forget_last_error() { static_cast<void>(cudaGetLastError()); }

void check_call(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  forget_last_error();
  throw Error(std::string(call) + ": " + describe(status));
}

void launch_checked(const void* kernel, const LaunchConfig& config, bool cooperative, Stream stream,
                    void** args) {
  if (config.shared_bytes > kSharedBytesWithoutOptIn) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(config.shared_bytes)),
          kernel, config);
  }
  cudaLaunchConfig_t launch{};
  launch.gridDim = config.grid;
  launch.blockDim = config.block;
  launch.dynamicSmemBytes = config.shared_bytes;
  launch.stream = static_cast<cudaStream_t>(stream.handle);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  if (cooperative) {
    launch.attrs = &attribute;
    launch.numAttrs = 1;
  }
  log_launch(kernel, config.site);
  check(cudaLaunchKernelExC(&launch, kernel, args), kernel, config);
  check(cudaGetLastError(), kernel, config);
}

}  // namespace rela::simt
