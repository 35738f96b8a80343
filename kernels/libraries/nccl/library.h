#pragma once

#include "kernels/libraries/loading/shared_library.h"

namespace rela {

/// NCCL, loaded on first use. Its functions are called as its header declares them.
const SharedLibrary& nccl_library();

}  // namespace rela
