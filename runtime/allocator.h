#pragma once
// Memory of tensors. Freed blocks are kept and reused, so that a training step in steady state
// requests nothing from the system; the counters prove it.
//
// A block on a GPU may be reused while kernels that use its former contents are still queued: all
// kernels of a process run in one stream, in order. Code that uses a block in another stream must
// keep it until that stream is done with it.

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

/// The purpose of memory; out-of-memory messages break usage down by it.
enum class MemoryUse : uint8_t { kActivations, kParameters, kOptimizer, kData, kWorkspace };
inline constexpr size_t kMemoryUses = 5;

/// Blocks that this thread allocates while the object lives count as `use`; otherwise as
/// activations.
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
  uint64_t system_allocations = 0;  // requests that the cache could not satisfy
  uint64_t requests = 0;
  std::array<size_t, kMemoryUses> active_by_use{};
};

class MemoryReserve;

/// Initial contents of an allocated block: whatever was there, or bytes 0xff, NaN in every float
/// format.
enum class FreshMemory : uint8_t { kUndefined, kNan };

/// kExact: every block is new and as large as requested, so that the emulator's guard pages or
/// AddressSanitizer notice an access past its end; release_cached() returns the freed ones.
enum class BlockSizes : uint8_t { kRounded, kExact };

/// What to do where memory runs out, as the end of the messages about it. To be set before threads
/// start.
void set_memory_advice(const std::string& advice);

/// Caching allocator over one source of memory. Thread-safe. Blocks are 64-byte aligned.
class Allocator {
 public:
  /// The allocator of a device; lives as long as the process. Throws UnsupportedError or
  /// DeviceError if there is no such device.
  static Allocator& of(Device device);
  /// Host memory for asynchronous copies to and from a GPU; the CPU's allocator without a GPU.
  static Allocator& pinned();

  explicit Allocator(MemorySource& source = system_memory()) : source_(source) {}
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  ~Allocator();

  struct Block {
    void* data = nullptr;
    size_t bytes = 0;  // capacity, at least the requested size
    MemoryUse use = MemoryUse::kActivations;
    uint64_t reserve = 0;  // number of the MemoryReserve that it came from; 0: none
  };

  /// Contents are as set by set_fresh_memory(). Zero bytes give a null block. Throws
  /// OutOfMemoryError that says how much was requested, held (and for what), free and allowed.
  Block allocate(size_t bytes);
  void free(Block block) noexcept;

  /// Returns cached blocks to the system.
  void release_cached() noexcept;

  AllocatorStats stats() const;
  void reset_peak();
  /// Upper bound of reserved_bytes, so that what cannot fit is an error before the system runs out
  /// of memory and ends the process; 0 means none.
  void set_limit(size_t bytes);
  /// Lets tests detect elements that were never written.
  void set_fresh_memory(FreshMemory fresh);
  /// Lets tests detect accesses past the end of a block.
  void set_block_sizes(BlockSizes sizes);

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
  BlockSizes block_sizes_ = BlockSizes::kRounded;
};

/// Blocks of an allocator for recorded work: every replay writes to the same addresses, so these
/// blocks must not be used for anything else in between. For use by one thread.
class MemoryReserve {
 public:
  /// Takes over the allocator's cached blocks.
  explicit MemoryReserve(Allocator& allocator);
  /// Returns the blocks to the allocator; those in use follow once they are freed.
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  /// Whether the reserve may grow. If it may not, a missing block is an InternalError.
  enum class Growth : uint8_t { kAllowed, kRefused };
  /// While it lives, this thread's allocations come out of the reserve.
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
