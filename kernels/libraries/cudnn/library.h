#pragma once

#include "kernels/libraries/loading/shared_library.h"

namespace rela {

/// cuDNN, loaded on first use. Its functions are called as its header declares them.
const SharedLibrary& cudnn_library();

}  // namespace rela
