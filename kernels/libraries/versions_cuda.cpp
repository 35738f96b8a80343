#include <cublasLt.h>
#include <cudnn.h>

#include "kernels/libraries/cublas/library.h"
#include "kernels/libraries/cudnn/library.h"
#include "kernels/libraries/versions.h"

namespace rela {
namespace {

/// 91900 -> "9.19.0"
std::string dotted(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

LibraryVersion cudnn_version() {
  return {"cuDNN", cudnn_library().problem().empty() ? dotted(cudnnGetVersion()) : "not found"};
}
LibraryVersion cublaslt_version() {
  return {"cuBLASLt",
          cublaslt_library().problem().empty() ? dotted(cublasLtGetVersion()) : "not found"};
}

std::vector<LibraryVersion> gpu_library_versions() { return {cudnn_version(), cublaslt_version()}; }

}  // namespace rela
