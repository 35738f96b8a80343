#pragma once
// The oneDNN engine and stream of the CPU, and memory of the caller as oneDNN sees it. For this
// folder.

#include <dnnl.hpp>

#include "kernels/types.h"

namespace rela {

const dnnl::engine& dnnl_engine();

/// One per thread. Makes oneDNN use cpu_threads() threads for what follows on this thread.
dnnl::stream& dnnl_stream();

constexpr dnnl::memory::data_type dnnl_type(Dtype dtype) {
  return dtype == Dtype::kBf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// oneDNN takes pointers to mutable memory for inputs too; it does not write to them.
dnnl::memory dnnl_memory(const dnnl::memory::desc& desc, const void* data);

/// Attributes of a primitive that takes its scratch memory from the caller, as all of ours do.
dnnl::primitive_attr user_scratchpad();

}  // namespace rela
