#pragma once

#include "kernels/types.h"

namespace rela {

struct CastArgs {
  const void* x = nullptr;  // [n]
  Dtype from = Dtype::kF32;
  void* y = nullptr;  // [n], must not overlap x
  Dtype to = Dtype::kF32;
  Write mode = Write::kOverwrite;
};
/// y[i] = x[i] in the other type, between f32, bf16 and f16 (rounded to nearest even; bf16
/// denormals may become 0); kAccumulate adds in f32 and rounds the sum. n == 0 does nothing.
using CastFn = void(const CastArgs& args, int64_t n, Stream stream);
CastFn cast_cpu;
CastFn cast_cuda;

}  // namespace rela
