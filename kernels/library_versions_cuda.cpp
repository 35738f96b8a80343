#include <cublasLt.h>
#include <cudnn.h>

#include "kernels/library_versions.h"

namespace rela {
namespace {

/// 91900 -> "9.19.0"
std::string dotted(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

LibraryVersion cudnn_version() { return {"cuDNN", dotted(cudnnGetVersion())}; }
LibraryVersion cublaslt_version() { return {"cuBLASLt", dotted(cublasLtGetVersion())}; }

std::vector<LibraryVersion> gpu_library_versions() { return {cudnn_version(), cublaslt_version()}; }

}  // namespace rela
