#pragma once
// Memory of tensors. Freed blocks are kept and reused, so that a training step in steady state asks
// the system for nothing; the counters prove it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/device.h"

namespace rela {

struct AllocatorStats {
  size_t active_bytes = 0;          // handed out now
  size_t peak_active_bytes = 0;     // largest active_bytes so far
  size_t reserved_bytes = 0;        // taken from the system: active + cached
  uint64_t system_allocations = 0;  // requests that the cache could not serve
  uint64_t requests = 0;
};

/// What allocate() leaves in a block: whatever was there, or bytes 0xff, NaN in every float format.
enum class FreshMemory : uint8_t { kUndefined, kNan };

/// Caching allocator of one device. Thread-safe. Blocks are 64-byte aligned.
class Allocator {
 public:
  /// The allocator of a device; lives as long as the process.
  static Allocator& of(Device device);

  Allocator() = default;
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  ~Allocator();

  struct Block {
    void* data = nullptr;
    size_t bytes = 0;  // capacity, at least what was asked for
  };

  /// Contents are what set_fresh_memory() chose. Zero bytes give a null block. Throws
  /// OutOfMemoryError that says how much was wanted, held and allowed.
  Block allocate(size_t bytes);
  void free(Block block) noexcept;

  /// Returns cached blocks to the system.
  void release_cached() noexcept;

  AllocatorStats stats() const;
  void reset_peak();
  /// Upper bound of reserved_bytes; 0 means none. Lets tests meet an exhausted device.
  void set_limit(size_t bytes);
  /// Lets tests see elements that nobody wrote.
  void set_fresh_memory(FreshMemory fresh);

 private:
  Block take_cached(size_t rounded);
  Block take_from_system(size_t rounded);
  void release_cached_locked() noexcept;

  mutable std::mutex mutex_;
  std::multimap<size_t, void*> cached_;  // by capacity
  AllocatorStats stats_;
  size_t limit_bytes_ = 0;
  FreshMemory fresh_memory_ = FreshMemory::kUndefined;
};

/// "1.50 GiB", "12.0 MiB", "640 B"
std::string format_bytes(size_t bytes);

}  // namespace rela
