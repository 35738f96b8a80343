#pragma once

#include "kernels/types.h"

namespace rela {

/// How convolutions and linear layers multiply f32 tensors on cuda, for the whole process; kExact
/// until it is set. Other types and the CPU are not affected.
F32Math float32_matmul();
void set_float32_matmul(F32Math math);

}  // namespace rela
