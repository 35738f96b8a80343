#pragma once

#include "kernels/types.h"

namespace rela {

struct GatherRowsArgs {
  const void* x = nullptr;         // [any, cols]
  const int64_t* index = nullptr;  // [rows], rows of x
  void* y = nullptr;               // [rows, cols], must not overlap x
  Dtype dtype = Dtype::kF32;       // of x and y
  Write mode = Write::kOverwrite;  // kAccumulate: f32, bf16 or f16
};

/// y[i] = x[index[i]] (kAccumulate: y[i] += x[index[i]], in f32, rounded once): picks a batch out
/// of a table that is entirely in device memory. Indices may repeat. Empty input does nothing.
using GatherRowsFn = void(const GatherRowsArgs& args, const RowDims& dims, Stream stream);
GatherRowsFn gather_rows_cpu;
GatherRowsFn gather_rows_cuda;

}  // namespace rela
