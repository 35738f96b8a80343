#pragma once
// What every launch does, for models of a step's time (bench/step_model.py): with the environment
// variable RELA_SIMT_TRACE=FILE, each kernel and each call of a library adds a line of JSON to
// FILE:
//
//   {"name": "relu_forward_kernel<float>", "read": 4096, "written": 4096, "flops": 0}
//
// A kernel's bytes are those of device memory that it accesses 16 bytes at a time, each counted
// once however often it is accessed; what it accesses in smaller pieces is not counted. Its FLOPs
// are those of tensor cores. A library's are those of its tensors and of the formula of the
// operation.

#include <string_view>

namespace rela::simt {

struct Traffic {
  double read = 0, written = 0;  // bytes
  double flops = 0;
};

/// Whether there is a trace.
bool is_traced();
/// Of 16 bytes, by a lane of the running kernel. Shared memory is not counted.
void trace_read16(const void* p);
void trace_write16(const void* p);
void trace_flops(double flops);
/// Writes the line of the kernel that has just run.
void trace_kernel(std::string_view name);
void trace_library(std::string_view name, const Traffic& traffic);

}  // namespace rela::simt
