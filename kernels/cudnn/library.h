#pragma once

#include "kernels/loading/shared_library.h"

namespace rela {

/// cuDNN. Its functions, called as its header declares them, are found in here.
const SharedLibrary& cudnn_library();

}  // namespace rela
