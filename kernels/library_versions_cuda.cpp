#include <cublasLt.h>
#include <cudnn.h>

#include "kernels/library_versions.h"

namespace rela {

std::vector<LibraryVersion> gpu_library_versions() {
  const auto dotted = [](size_t version, size_t major, size_t minor) {
    return std::to_string(version / major) + "." + std::to_string(version % major / minor) + "." +
           std::to_string(version % minor);
  };
  return {{"cuDNN", dotted(cudnnGetVersion(), 10000, 100)},
          {"cuBLASLt", dotted(cublasLtGetVersion(), 10000, 100)}};
}

}  // namespace rela
