#include "runtime/allocator.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "runtime/error.h"

namespace rela {
namespace {

constexpr size_t kAlignment = 64;          // one cache line, one AVX-512 register
constexpr size_t kHugePage = 2u << 20;     // large blocks are aligned to and sized in huge pages
constexpr size_t kSmallGranularity = 512;  // small blocks share few size classes

/// Sizes are rounded so that nearly equal requests (a last short batch, say) share a block.
size_t round_size(size_t bytes) {
  constexpr size_t kLargest = std::numeric_limits<size_t>::max() / kHugePage * kHugePage;
  if (bytes > kLargest) return kLargest;  // no machine has it, and rounding up would wrap around
  if (bytes >= kHugePage) return (bytes + kHugePage - 1) / kHugePage * kHugePage;
  return (bytes + kSmallGranularity - 1) / kSmallGranularity * kSmallGranularity;
}

}  // namespace

Allocator& Allocator::of(Device device) {
  RELA_CHECK(device == Device::kCpu, UnsupportedError, "allocator: no ", device_name(device),
             " memory in this build; choose \"device\": \"cpu\" or build with -DRELA_CUDA=ON");
  static Allocator* cpu =
      new Allocator;  // never destroyed: tensors in static objects may outlive main
  return *cpu;
}

Allocator::~Allocator() { release_cached(); }

Allocator::Block Allocator::allocate(size_t bytes) {
  if (bytes == 0) return {};
  const size_t rounded = round_size(bytes);
  const std::lock_guard lock(mutex_);
  Block block = take_cached(rounded);
  if (block.data == nullptr) block = take_from_system(rounded);
  ++stats_.requests;
  stats_.active_bytes += block.bytes;
  stats_.peak_active_bytes = std::max(stats_.peak_active_bytes, stats_.active_bytes);
  if (fresh_memory_ == FreshMemory::kNan) std::memset(block.data, 0xff, block.bytes);
  return block;
}

Allocator::Block Allocator::take_cached(size_t rounded) {
  // A block up to a quarter larger than asked for is good enough; more would waste memory for good.
  const auto it = cached_.lower_bound(rounded);
  if (it == cached_.end() || it->first > rounded + rounded / 4) return {};
  const Block block{it->second, it->first};
  cached_.erase(it);
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
    const size_t alignment = rounded >= kHugePage ? kHugePage : kAlignment;
    data = std::aligned_alloc(alignment, rounded);
    if (data == nullptr) {
      release_cached_locked();
      data = std::aligned_alloc(alignment, rounded);
    }
  }
  RELA_CHECK(data != nullptr, OutOfMemoryError, "cpu memory: wanted ", format_bytes(rounded),
             " more, ", format_bytes(stats_.active_bytes), " in use (peak ",
             format_bytes(stats_.peak_active_bytes), ")",
             limit_bytes_ ? cat(", limit ", format_bytes(limit_bytes_)) : std::string(),
             "; lower batch_size or backbone.width");
  stats_.reserved_bytes += rounded;
  ++stats_.system_allocations;
  return {data, rounded};
}

void Allocator::free(Block block) noexcept {
  if (block.data == nullptr) return;
  const std::lock_guard lock(mutex_);
  stats_.active_bytes -= block.bytes;
  cached_.emplace(block.bytes, block.data);
}

void Allocator::release_cached() noexcept {
  const std::lock_guard lock(mutex_);
  release_cached_locked();
}

void Allocator::release_cached_locked() noexcept {
  for (const auto& [bytes, data] : cached_) {
    std::free(data);
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

void Allocator::set_fresh_memory(FreshMemory fresh) {
  const std::lock_guard lock(mutex_);
  fresh_memory_ = fresh;
}

std::string format_bytes(size_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  const char* format = unit == 0 ? "%.0f %s" : value < 10 ? "%.2f %s" : "%.1f %s";
  std::snprintf(text.data(), text.size(), format, value, units[unit]);
  return text.data();
}

}  // namespace rela
