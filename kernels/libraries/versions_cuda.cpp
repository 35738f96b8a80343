#include <cublasLt.h>
#include <cudnn.h>

#include "kernels/libraries/cublas/library.h"
#include "kernels/libraries/cudnn/library.h"
#include "kernels/libraries/versions.h"

namespace rela {
namespace {

LibraryVersion version_of(const char* name, const SharedLibrary& library, size_t (*version)()) {
  if (!library.problem().empty()) return {name, "not found"};
  return {name, dotted_version(version()), library.file()};
}

}  // namespace

LibraryVersion cudnn_version() { return version_of("cuDNN", cudnn_library(), cudnnGetVersion); }
LibraryVersion cublaslt_version() {
  return version_of("cuBLASLt", cublaslt_library(), cublasLtGetVersion);
}

std::vector<LibraryVersion> gpu_library_versions() { return {cudnn_version(), cublaslt_version()}; }

}  // namespace rela
