#include "kernels/simt/emulator/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/emulator/state.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kAlign = 16;  // as close to the guard page as the widest access allows

struct Allocation {
  char* data = nullptr;
  size_t bytes = 0;
  char* mapping = nullptr;
  size_t mapping_bytes = 0;
};

struct Registry {
  std::mutex mutex;
  std::map<uintptr_t, Allocation> allocations;
  size_t bytes = 0;
};
Registry& registry() {
  static Registry& registry = *new Registry;  // frees may come during static destruction
  return registry;
}

size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }
uintptr_t address(const void* p) { return reinterpret_cast<uintptr_t>(p); }

Allocation map_guarded(size_t bytes) {
  const size_t body = round_up(bytes, kPage);
  const size_t total = body + 2 * kPage;
  void* memory = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  char* mapping = static_cast<char*>(memory);
  mprotect(mapping, kPage, PROT_NONE);
  mprotect(mapping + kPage + body, kPage, PROT_NONE);
  std::memset(mapping + kPage, kCanary, body);
  return {mapping + kPage + body - round_up(bytes, kAlign), bytes, mapping, total};
}

bool canaries_intact(const Allocation& a) {
  const auto intact = [](const char* begin, const char* end) {
    return std::all_of(begin, end, [](char c) { return static_cast<unsigned char>(c) == kCanary; });
  };
  return intact(a.mapping + kPage, a.data) &&
         intact(a.data + a.bytes, a.mapping + a.mapping_bytes - kPage);
}

/// The allocation whose mapping holds p; the registry is locked.
const Allocation* find_mapping(const void* p) {
  for (const auto& [start, a] : registry().allocations) {
    if (p >= a.mapping && p < a.mapping + a.mapping_bytes) return &a;
  }
  return nullptr;
}

/// The allocation that holds p, or ends at it; the registry is locked.
const Allocation* find_allocation(const void* p) {
  auto next = registry().allocations.upper_bound(address(p));
  if (next == registry().allocations.begin()) return nullptr;
  const Allocation& a = std::prev(next)->second;
  return address(p) <= address(a.data) + a.bytes ? &a : nullptr;
}

bool is_mapped(void* p) {
  unsigned char resident = 0;
  return mincore(static_cast<char*>(p) - address(p) % kPage, 1, &resident) == 0;
}

}  // namespace

void* allocate_device(size_t bytes) {
  if (bytes == 0) return nullptr;
  Allocation a;
  if (kSanitized) {
    void* p = std::aligned_alloc(256, round_up(bytes, 256));
    a = {static_cast<char*>(p), bytes, static_cast<char*>(p), bytes};
    if (p != nullptr) poison_for_asan(a.data + bytes, round_up(bytes, 256) - bytes);
  } else {
    a = map_guarded(bytes);
  }
  if (a.data == nullptr) return nullptr;
  std::memset(a.data, options().poison, bytes);
  const std::lock_guard lock(registry().mutex);
  registry().allocations[address(a.data)] = a;
  registry().bytes += bytes;
  return a.data;
}

void free_device(void* p) {
  Allocation a;
  {
    const std::lock_guard lock(registry().mutex);
    auto& allocations = registry().allocations;
    const auto found = allocations.find(address(p));
    if (found == allocations.end()) throw Error("device_free: not a device allocation");
    a = found->second;
    allocations.erase(found);
    registry().bytes -= a.bytes;
  }
  if (kSanitized) {
    unpoison_for_asan(a.data, round_up(a.bytes, 256));
    std::free(p);
    return;
  }
  const bool intact = canaries_intact(a);
  munmap(a.mapping, a.mapping_bytes);
  if (!intact) {
    throw Error("device_free: something was written outside an allocation of " +
                std::to_string(a.bytes) + " bytes");
  }
}

bool is_device_pointer(const void* p) {
  const std::lock_guard lock(registry().mutex);
  return find_allocation(p) != nullptr;
}

size_t device_bytes_from(const void* p) {
  const std::lock_guard lock(registry().mutex);
  const Allocation* a = find_allocation(p);
  return a == nullptr ? 0 : static_cast<size_t>(a->data + a->bytes - static_cast<const char*>(p));
}

size_t device_bytes_in_use() {
  const std::lock_guard lock(registry().mutex);
  return registry().bytes;
}

std::string describe_address(const void* p) {
  const std::lock_guard lock(registry().mutex);
  const Allocation* a = find_mapping(p);
  if (a == nullptr) return "";
  return "offset " + std::to_string(static_cast<const char*>(p) - a->data) + " of a " +
         std::to_string(a->bytes) + "-byte device allocation";
}

void check_pointer_argument(const void* p, int argument, const Site& launch) {
  if (p == nullptr || is_device_pointer(p)) return;
  throw Error("argument " + std::to_string(argument) + " of the kernel launched at " +
              to_string(launch) + " is not a device pointer");
}

void check_struct_argument(const void* data, size_t bytes, int argument, const Site& launch) {
  constexpr uintptr_t kLowest = 1u << 16;  // nothing is mapped below
  if (kSanitized) return;                  // their shadow memory maps low addresses
  for (size_t offset = 0; offset + sizeof(uintptr_t) <= bytes; offset += sizeof(uintptr_t)) {
    void* p = nullptr;
    std::memcpy(&p, static_cast<const char*>(data) + offset, sizeof(p));
    if (address(p) < kLowest || address(p) >> 47 != 0) continue;
    if (is_device_pointer(p) || !is_mapped(p)) continue;
    throw Error("argument " + std::to_string(argument) + " of the kernel launched at " +
                to_string(launch) + " holds a host pointer at byte " + std::to_string(offset));
  }
}

}  // namespace rela::simt
