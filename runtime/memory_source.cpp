#include "runtime/memory_source.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>

#include "runtime/block_size.h"
#include "runtime/error.h"
#include "runtime/memory_limit.h"

namespace rela {
namespace {

constexpr size_t kLarge = size_t{16} << 20;
constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

/// Bytes of address space that this process may have; none: no limit.
std::optional<size_t> address_space_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

bool can_reserve(size_t bytes) {
  void* place = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return false;
  munmap(place, bytes);
  return true;
}

class SystemMemory : public MemorySource {
 public:
  const char* name() const override { return "cpu memory"; }
  /// oneDNN does not check its own allocations, and writes to address 0 where one of them fails.
  void* allocate(size_t bytes) noexcept override {
    if (bytes >= kLarge && exceeds_available(bytes)) return nullptr;
    void* data = std::aligned_alloc(bytes >= kHugePage ? kHugePage : kAlignment, bytes);
    if (data == nullptr || !address_space_limit() || can_reserve(kLibraryBytes)) return data;
    std::free(data);
    return nullptr;
  }
  void deallocate(void* data) noexcept override { std::free(data); }
  void poison(void* data, size_t bytes) override { std::memset(data, 0xff, bytes); }
  std::string situation(size_t) const override {
    if (const std::optional<size_t> limit = address_space_limit()) {
      return cat(", address space limited to ", format_bytes(*limit), " (ulimit -v), of which ",
                 format_bytes(kLibraryBytes), " are left to libraries");
    }
    const size_t available = memory_available();
    return available == 0 ? "" : cat(", ", format_bytes(available), " available on this machine");
  }

 private:
  /// The system promises more memory than it has, and ends processes when they come to use it.
  static bool exceeds_available(size_t bytes) noexcept {
    try {
      const size_t available = memory_available();
      return available != 0 && bytes > available;
    } catch (const std::bad_alloc&) {
      return true;
    }
  }
};

}  // namespace

std::string MemorySource::situation(size_t) const { return ""; }

MemorySource& system_memory() {
  static SystemMemory* memory = new SystemMemory;  // never destroyed: see Allocator::of()
  return *memory;
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
