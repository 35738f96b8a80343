#pragma once

#include <cstddef>
#include <filesystem>

namespace rela {

/// Bytes that this process can have at most: the machine's memory and swap space, or what its
/// control groups (containers, batch systems) allow, parents included. 0: unknown. `root` is the
/// folder that holds proc/; groups are read below it too.
size_t memory_limit(const std::filesystem::path& root = "/");

/// Bytes that the machine could give out now without ending a process: free memory, caches that it
/// can drop, swap space. 0: unknown.
size_t memory_available(const std::filesystem::path& root = "/");

}  // namespace rela
