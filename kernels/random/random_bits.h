#pragma once

#include "kernels/random/random_stream.h"
#include "kernels/types.h"

namespace rela {

/// bits[i] = word i of the stream `name`, as RandomStream reads it: the same on every device. n ==
/// 0 does nothing.   bits: [n]
using RandomBitsFn = void(uint32_t* bits, int64_t n, const RandomKey& name, Stream stream);
RandomBitsFn random_bits_cpu;
RandomBitsFn random_bits_cuda;

}  // namespace rela
