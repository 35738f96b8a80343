#include "runtime/memory_source.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/block_size.h"

namespace rela {
namespace {

constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

class SystemMemory : public MemorySource {
 public:
  const char* name() const override { return "cpu memory"; }
  void* allocate(size_t bytes) noexcept override {
    return std::aligned_alloc(bytes >= kHugePage ? kHugePage : kAlignment, bytes);
  }
  void deallocate(void* data) noexcept override { std::free(data); }
  void poison(void* data, size_t bytes) override { std::memset(data, 0xff, bytes); }
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
