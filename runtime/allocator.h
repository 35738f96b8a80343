#pragma once
// Memory of tensors. Freed blocks are kept and reused, so that a training step in steady state asks
// the system for nothing; the counters prove it.
//
// A block of a GPU may be handed out anew while kernels that use its former contents still wait:
// all kernels of a process run in one stream, in order. Who uses a block in another stream keeps it
// until that stream is through with it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/device.h"
#include "runtime/memory_source.h"

namespace rela {

/// What memory is for: the message of an exhausted device says who holds how much.
enum class MemoryUse : uint8_t { kActivations, kParameters, kOptimizer, kData, kWorkspace };
inline constexpr size_t kMemoryUses = 5;

/// Blocks that this thread asks for while the object lives are for `use`; activations otherwise.
class MemoryUseGuard {
 public:
  explicit MemoryUseGuard(MemoryUse use);
  ~MemoryUseGuard();
  MemoryUseGuard(const MemoryUseGuard&) = delete;
  MemoryUseGuard& operator=(const MemoryUseGuard&) = delete;

 private:
  MemoryUse before_;
};

struct AllocatorStats {
  size_t active_bytes = 0;          // handed out now
  size_t peak_active_bytes = 0;     // largest active_bytes so far
  size_t reserved_bytes = 0;        // taken from the system: active + cached
  uint64_t system_allocations = 0;  // requests that the cache could not serve
  uint64_t requests = 0;
  std::array<size_t, kMemoryUses> active_by_use{};
};

class MemoryReserve;

/// What allocate() leaves in a block: whatever was there, or bytes 0xff, NaN in every float format.
enum class FreshMemory : uint8_t { kUndefined, kNan };

/// Caching allocator over one source of memory. Thread-safe. Blocks are 64-byte aligned.
class Allocator {
 public:
  /// The allocator of a device; lives as long as the process. Throws UnsupportedError or
  /// DeviceError where there is no such device.
  static Allocator& of(Device device);
  /// Host memory that a GPU copies from and to in the background; the CPU's own without one.
  static Allocator& pinned();

  explicit Allocator(MemorySource& source = system_memory()) : source_(source) {}
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  ~Allocator();

  struct Block {
    void* data = nullptr;
    size_t bytes = 0;  // capacity, at least what was asked for
    MemoryUse use = MemoryUse::kActivations;
    uint64_t reserve = 0;  // number of the MemoryReserve that it came from; 0: none
  };

  /// Contents are what set_fresh_memory() chose. Zero bytes give a null block. Throws
  /// OutOfMemoryError that says how much was wanted, held (and for what), free and allowed.
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
  friend class MemoryReserve;
  using Cache = std::multimap<size_t, void*>;  // by capacity
  static Block take_cached(Cache& cache, size_t rounded);
  Block take_from_system(size_t rounded);
  void release_cached_locked() noexcept;
  std::string exhausted(size_t wanted) const;

  MemorySource& source_;
  mutable std::mutex mutex_;
  Cache cached_;
  std::map<uint64_t, Cache> reserves_;  // by their numbers
  uint64_t next_reserve_ = 1;
  AllocatorStats stats_;
  size_t limit_bytes_ = 0;
  FreshMemory fresh_memory_ = FreshMemory::kUndefined;
};

/// Blocks of an allocator for work that is recorded and replayed: every replay writes to the same
/// addresses, so that nobody else may be given these blocks in between. One thread.
class MemoryReserve {
 public:
  /// Takes over what the allocator has cached.
  explicit MemoryReserve(Allocator& allocator);
  /// The blocks serve everybody again; those in use once they are freed.
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  /// Whether the reserve may grow. Where it may not, a block that is not there is an InternalError.
  enum class Growth : uint8_t { kAllowed, kRefused };
  /// While it lives, what this thread asks the allocator for comes out of the reserve.
  class Guard {
   public:
    Guard(MemoryReserve& reserve, Growth growth);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    uint64_t number() const { return reserve_.number_; }
    const Allocator& allocator() const { return reserve_.allocator_; }
    Growth growth() const { return growth_; }

   private:
    MemoryReserve& reserve_;
    Growth growth_;
    Guard* before_;
  };

 private:
  Allocator& allocator_;
  uint64_t number_;
};

}  // namespace rela
