#pragma once
// The launcher for real GPUs.

#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/simt/error.h"
#include "kernels/simt/launch_config.h"
#include "kernels/types.h"

namespace rela::simt {

/// Launches; throws Error with the kernel's name and the launch site if CUDA refuses.
void launch_checked(const void* kernel, const LaunchConfig& config, bool cooperative, Stream stream,
                    void** args);

/// Throws Error, naming the call, if it failed.
void check_call(cudaError_t status, const char* call);
/// CUDA keeps the last error of a thread, and the next good launch would report it.
void forget_last_error();

template <class... Params, class... Args, size_t... I>
void launch_cuda(void (*kernel)(Params...), const LaunchConfig& config, bool cooperative,
                 Stream stream, std::index_sequence<I...>, Args&&... args) {
  static_assert((std::is_trivially_copyable_v<Params> && ...), "arguments are copied as bytes");
  std::tuple<Params...> values(static_cast<Params>(std::forward<Args>(args))...);
  void* pointers[sizeof...(Params) + 1] = {
      const_cast<void*>(static_cast<const void*>(&std::get<I>(values)))..., nullptr};
  launch_checked(reinterpret_cast<const void*>(kernel), config, cooperative, stream, pointers);
}

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), const LaunchConfig& config, Stream stream, Args&&... args) {
  launch_cuda(kernel, config, false, stream, std::index_sequence_for<Params...>{},
              std::forward<Args>(args)...);
}
/// All blocks are resident at once, so that they can synchronise with grid_sync().
template <class... Params, class... Args>
void launch_cooperative(void (*kernel)(Params...), const LaunchConfig& config, Stream stream,
                        Args&&... args) {
  launch_cuda(kernel, config, true, stream, std::index_sequence_for<Params...>{},
              std::forward<Args>(args)...);
}

/// Sets a __constant__ variable, in stream order.
template <class T>
void copy_to_symbol(T& symbol, const std::type_identity_t<T>& value, Stream stream) {
  static_assert(std::is_trivially_copyable_v<T>);
  check_call(cudaMemcpyToSymbolAsync(symbol, &value, sizeof(T), 0, cudaMemcpyHostToDevice,
                                     static_cast<cudaStream_t>(stream.handle)),
             "cudaMemcpyToSymbolAsync");
}

}  // namespace rela::simt
