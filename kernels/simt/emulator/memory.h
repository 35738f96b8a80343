#pragma once
// Device memory of the emulator: host memory that ends at a guard page and starts as
// Options::poison.

#include <cstddef>
#include <string>

#include "kernels/simt/site.h"

namespace rela::simt {

void* allocate_device(size_t bytes);
/// Throws Error if memory around the allocation was overwritten, or p is not an allocation.
void free_device(void* p);
bool is_device_pointer(const void* p);  // also one past the end of an allocation
/// Bytes from p to the end of its allocation; 0 when p is not in device memory.
size_t device_bytes_from(const void* p);
size_t device_bytes_in_use();
/// "offset 12 of a 10-byte device allocation", or empty.
std::string describe_address(const void* p);

/// Throws Error when p is neither null nor in device memory.
void check_pointer_argument(const void* p, int argument, const Site& launch);
/// The same for every word of a by-value struct that holds the address of mapped host memory.
void check_struct_argument(const void* data, size_t bytes, int argument, const Site& launch);

}  // namespace rela::simt
