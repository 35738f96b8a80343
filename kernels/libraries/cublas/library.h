#pragma once

#include "kernels/libraries/loading/shared_library.h"

namespace rela {

/// cuBLASLt, loaded on first use. Its functions are called as its header declares them.
const SharedLibrary& cublaslt_library();

}  // namespace rela
