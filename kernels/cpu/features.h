#pragma once

namespace rela {

/// Whether this CPU multiplies bf16 natively (AVX-512 BF16 or AMX). Without it bf16 kernels are
/// correct but convert to f32 and back, which makes them slower than f32.
bool cpu_has_bf16();

}  // namespace rela
