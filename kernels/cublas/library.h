#pragma once

#include "kernels/loading/shared_library.h"

namespace rela {

/// cuBLASLt. Its functions, called as its header declares them, are found in here.
const SharedLibrary& cublaslt_library();

}  // namespace rela
