#pragma once
// Where an Allocator's blocks come from: the system's memory, a GPU's, or pinned host memory.

#include <cstddef>
#include <string>

namespace rela {

class MemorySource {
 public:
  MemorySource() = default;
  virtual ~MemorySource() = default;
  MemorySource(const MemorySource&) = delete;
  MemorySource& operator=(const MemorySource&) = delete;

  /// Name for messages: "cpu memory".
  virtual const char* name() const = 0;
  /// At least 64-byte aligned; null if out of memory.
  virtual void* allocate(size_t bytes) noexcept = 0;
  virtual void deallocate(void* data) noexcept = 0;
  /// Sets every byte to 0xff, NaN in every float format, before kernels that start later.
  virtual void poison(void* data, size_t bytes) = 0;
  /// Memory usage of the device, for out-of-memory messages; `reserved` bytes of it are ours.
  /// Empty, or ", ..." text.
  virtual std::string situation(size_t reserved) const;
};

/// Memory of this process. Large blocks are aligned to huge pages. Where the address space is
/// limited (ulimit -v), it is out of memory as soon as less than kLibraryBytes would be left.
MemorySource& system_memory();
inline constexpr size_t kLibraryBytes = size_t{128} << 20;

/// "1.50 GiB", "12.0 MiB", "640 B"
std::string format_bytes(size_t bytes);

}  // namespace rela
