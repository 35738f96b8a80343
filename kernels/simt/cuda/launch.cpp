#include "kernels/simt/cuda/launch.h"

#include <cuda_runtime.h>
#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace rela::simt {
namespace {

constexpr size_t kSharedBytesWithoutOptIn = 48u << 10;

std::string kernel_name(const void* kernel) {
  const char* mangled = nullptr;
  if (cudaFuncGetName(&mangled, kernel) != cudaSuccess) return "unknown kernel";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> plain(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
  return status == 0 ? plain.get() : mangled;
}

void check(cudaError_t status, const void* kernel, const LaunchConfig& config) {
  if (status == cudaSuccess) return;
  const auto triple = [](const dim3& v) {
    return std::to_string(v.x) + " x " + std::to_string(v.y) + " x " + std::to_string(v.z);
  };
  throw Error(kernel_name(kernel) + ", launched at " + to_string(config.site) + " with a grid of " +
              triple(config.grid) + ", blocks of " + triple(config.block) + " and " +
              std::to_string(config.shared_bytes) +
              " bytes of dynamic shared memory: " + cudaGetErrorString(status));
}

}  // namespace

void check_call(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  throw Error(std::string(call) + ": " + cudaGetErrorString(status) + " (" +
              cudaGetErrorName(status) + ")");
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
  check(cudaLaunchKernelExC(&launch, kernel, args), kernel, config);
  check(cudaGetLastError(), kernel, config);
}

}  // namespace rela::simt
