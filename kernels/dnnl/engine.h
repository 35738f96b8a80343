#pragma once
// The oneDNN engine and stream of the CPU, for kernels that call oneDNN.

#include <dnnl.hpp>

#include "kernels/types.h"

namespace rela {

const dnnl::engine& dnnl_engine();

/// One per thread. Makes oneDNN use cpu_threads() threads for what follows on this thread.
dnnl::stream& dnnl_stream();

constexpr dnnl::memory::data_type dnnl_type(Dtype dtype) {
  return dtype == Dtype::kBf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

}  // namespace rela
