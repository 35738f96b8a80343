#include "runtime/allocator.h"

#include <algorithm>
#include <utility>

#include "runtime/block_size.h"
#include "runtime/cuda.h"
#include "runtime/error.h"

namespace rela {
namespace {

constexpr std::array<const char*, kMemoryUses> kUseNames{"activations and their gradients",
                                                         "parameters and their gradients",
                                                         "optimizer state", "data", "workspaces"};

thread_local MemoryUse current_use = MemoryUse::kActivations;
thread_local MemoryReserve::Guard* current_reserve = nullptr;

/// "2.0 GiB of activations and their gradients, 45.0 MiB of data": largest first.
std::string list_uses(const std::array<size_t, kMemoryUses>& active) {
  std::array<size_t, kMemoryUses> order{};
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return active[a] > active[b]; });
  std::string text;
  for (const size_t use : order) {
    if (active[use] == 0) continue;
    text += cat(text.empty() ? "" : ", ", format_bytes(active[use]), " of ", kUseNames[use]);
  }
  return text;
}

/// Never destroyed: memory may run out after main.
std::string& memory_advice() {
  static auto* advice = new std::string("use fewer or smaller images, or a smaller model");
  return *advice;
}

}  // namespace

void set_memory_advice(const std::string& advice) { memory_advice() = advice; }

MemoryUseGuard::MemoryUseGuard(MemoryUse use) : before_(std::exchange(current_use, use)) {}
MemoryUseGuard::~MemoryUseGuard() { current_use = before_; }

Allocator& Allocator::of(Device device) {
  // Never destroyed: tensors in static objects may outlive main.
  static Allocator* cpu = new Allocator;
  if (device == Device::kCpu) return *cpu;
  static Allocator* cuda = new Allocator(cuda_memory());
  return *cuda;
}

Allocator& Allocator::pinned() {
  if (!cuda_is_ready()) return of(Device::kCpu);
  static Allocator* pinned = new Allocator(cuda_pinned_memory());
  return *pinned;
}

Allocator::~Allocator() { release_cached(); }

Allocator::Block Allocator::allocate(size_t bytes) {
  if (bytes == 0) return {};
  const std::lock_guard lock(mutex_);
  const bool is_exact = block_sizes_ == BlockSizes::kExact;
  const size_t rounded = is_exact ? bytes : round_block_size(bytes);
  const MemoryReserve::Guard* guard = current_reserve;
  if (guard != nullptr && &guard->allocator() != this) guard = nullptr;
  Block block;
  if (!is_exact) {
    block = take_cached(guard == nullptr ? cached_ : reserves_.at(guard->number()), rounded);
  }
  if (block.data == nullptr) {
    RELA_CHECK(guard == nullptr || guard->growth() == MemoryReserve::Growth::kAllowed,
               InternalError, source_.name(), ": ", format_bytes(rounded),
               " of new memory wanted by work that is recorded; a graph's work must do with the "
               "memory of the run before it");
    block = take_from_system(rounded);
  }
  if (guard != nullptr) block.reserve = guard->number();
  block.use = current_use;
  ++stats_.requests;
  stats_.active_bytes += block.bytes;
  stats_.active_by_use[static_cast<size_t>(block.use)] += block.bytes;
  stats_.peak_active_bytes = std::max(stats_.peak_active_bytes, stats_.active_bytes);
  if (fresh_memory_ == FreshMemory::kNan) source_.poison(block.data, block.bytes);
  return block;
}

Allocator::Block Allocator::take_cached(Cache& cache, size_t rounded) {
  // A block up to a quarter larger than requested is good enough; more would waste memory
  // permanently.
  const auto it = cache.lower_bound(rounded);
  if (it == cache.end() || it->first > rounded + rounded / 4) return {};
  const Block block{it->second, it->first};
  cache.erase(it);
  return block;
}

Allocator::Block Allocator::take_from_system(size_t rounded) {
  const auto over_limit = [&] {
    return limit_bytes_ != 0 &&
           (rounded > limit_bytes_ || stats_.reserved_bytes > limit_bytes_ - rounded);
  };
  if (over_limit()) release_cached_locked();
  void* data = nullptr;
  if (!over_limit()) {
    data = source_.allocate(rounded);
    if (data == nullptr) {
      release_cached_locked();
      data = source_.allocate(rounded);
    }
  }
  RELA_CHECK(data != nullptr, OutOfMemoryError, exhausted(rounded));
  stats_.reserved_bytes += rounded;
  ++stats_.system_allocations;
  return {data, rounded};
}

std::string Allocator::exhausted(size_t wanted) const {
  const std::string uses = list_uses(stats_.active_by_use);
  return cat(source_.name(), ": wanted ", format_bytes(wanted), " more, ",
             format_bytes(stats_.active_bytes), " in use", uses.empty() ? "" : ": ", uses,
             " (peak ", format_bytes(stats_.peak_active_bytes), ")",
             source_.situation(stats_.reserved_bytes),
             limit_bytes_ ? cat(", limit ", format_bytes(limit_bytes_)) : std::string(), "; ",
             memory_advice());
}

void Allocator::free(Block block) noexcept {
  if (block.data == nullptr) return;
  const std::lock_guard lock(mutex_);
  stats_.active_bytes -= block.bytes;
  stats_.active_by_use[static_cast<size_t>(block.use)] -= block.bytes;
  const auto reserve = reserves_.find(block.reserve);
  (reserve == reserves_.end() ? cached_ : reserve->second).emplace(block.bytes, block.data);
}

void Allocator::release_cached() noexcept {
  const std::lock_guard lock(mutex_);
  release_cached_locked();
}

void Allocator::release_cached_locked() noexcept {
  for (const auto& [bytes, data] : cached_) {
    source_.deallocate(data);
    stats_.reserved_bytes -= bytes;
  }
  cached_.clear();
}

AllocatorStats Allocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Allocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_active_bytes = stats_.active_bytes;
}

void Allocator::set_limit(size_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_bytes_ = bytes;
}

void Allocator::set_block_sizes(BlockSizes sizes) {
  const std::lock_guard lock(mutex_);
  block_sizes_ = sizes;
}

void Allocator::set_fresh_memory(FreshMemory fresh) {
  const std::lock_guard lock(mutex_);
  fresh_memory_ = fresh;
}

MemoryReserve::MemoryReserve(Allocator& allocator) : allocator_(allocator) {
  const std::lock_guard lock(allocator_.mutex_);
  number_ = allocator_.next_reserve_++;
  allocator_.reserves_[number_].swap(allocator_.cached_);
}

MemoryReserve::~MemoryReserve() {
  const std::lock_guard lock(allocator_.mutex_);
  allocator_.cached_.merge(allocator_.reserves_.at(number_));
  allocator_.reserves_.erase(number_);
}

MemoryReserve::Guard::Guard(MemoryReserve& reserve, Growth growth)
    : reserve_(reserve), growth_(growth), before_(std::exchange(current_reserve, this)) {}
MemoryReserve::Guard::~Guard() { current_reserve = before_; }

}  // namespace rela
