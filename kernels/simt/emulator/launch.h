#pragma once
// The launcher of the emulator.

#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/simt/device.h"
#include "kernels/simt/emulator/memory.h"
#include "kernels/simt/emulator/state.h"
#include "kernels/simt/error.h"
#include "kernels/simt/launch_config.h"
#include "kernels/types.h"

namespace rela::simt {

enum class Cooperation : bool { kNone, kGrid };

/// A kernel with its arguments: `call(data.get())` runs one thread.
struct BoundKernel {
  const void* function = nullptr;  // the kernel itself, for its name
  void (*call)(void* data) = nullptr;
  std::shared_ptr<void> data;
};

/// Throws Error if CUDA would refuse the shape; otherwise queues the launch.
void queue_launch(const LaunchConfig& config, Cooperation cooperation, Stream stream,
                  BoundKernel kernel);

template <class T>
void check_argument(T& value, int argument, const Site& launch) {
  if constexpr (std::is_pointer_v<T>) {
    check_pointer_argument(const_cast<const void*>(static_cast<const volatile void*>(value)),
                           argument, launch);
  } else if constexpr (std::is_class_v<T>) {
#if !defined(__clang__)
    __builtin_clear_padding(&value);  // stale stack contents may look like a pointer
#endif
    check_struct_argument(&value, sizeof(value), argument, launch);
  }
}

template <class T>
void clear_padding([[maybe_unused]] T& value) {
#if !defined(__clang__)
  if constexpr (std::is_class_v<T>) __builtin_clear_padding(&value);
#endif
}

template <class... Params, class... Args>
void launch_emulated(void (*kernel)(Params...), const LaunchConfig& config, Cooperation cooperation,
                     Stream stream, Args&&... args) {
  static_assert((std::is_trivially_copyable_v<Params> && ...), "arguments are copied as bytes");
  struct Bound {
    void (*kernel)(Params...);
    std::tuple<Params...> args;
  };
  auto bound = std::make_shared<Bound>(
      Bound{kernel, std::tuple<Params...>(static_cast<Params>(std::forward<Args>(args))...)});
  std::apply(
      [&](auto&... values) {
        int argument = 0;
        (clear_padding(values), ...);  // stale contents may look like a pointer
        (check_argument(values, argument++, config.site), ...);
      },
      bound->args);
  const auto call = [](void* data) {
    const auto* b = static_cast<const Bound*>(data);
    std::apply(b->kernel, b->args);
  };
  queue_launch(config, cooperation, stream,
               {reinterpret_cast<const void*>(kernel), call, std::move(bound)});
}

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), const LaunchConfig& config, Stream stream, Args&&... args) {
  launch_emulated(kernel, config, Cooperation::kNone, stream, std::forward<Args>(args)...);
}
/// All blocks run at once, so that they can synchronise with grid_sync().
template <class... Params, class... Args>
void launch_cooperative(void (*kernel)(Params...), const LaunchConfig& config, Stream stream,
                        Args&&... args) {
  launch_emulated(kernel, config, Cooperation::kGrid, stream, std::forward<Args>(args)...);
}

/// Sets a __constant__ variable, in stream order.
template <class T>
void copy_to_symbol(T& symbol, const std::type_identity_t<T>& value, Stream stream) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto copy = std::make_shared<T>();
  std::memcpy(static_cast<void*>(copy.get()), &value, sizeof(T));
  host_task_async(
      stream, [copy, &symbol] { std::memcpy(static_cast<void*>(&symbol), copy.get(), sizeof(T)); });
}

}  // namespace rela::simt
