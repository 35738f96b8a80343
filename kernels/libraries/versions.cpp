#include "kernels/libraries/versions.h"

#include "kernels/libraries/dnnl/library.h"

#if RELA_HAS_CUDA && !RELA_CUDA_SIMT
#define RELA_NEEDS_GPU_LIBRARIES 1
#include "kernels/libraries/cublas/library.h"
#include "kernels/libraries/cudnn/library.h"
#endif

namespace rela {

std::vector<LibraryVersion> library_versions() {
  std::vector<LibraryVersion> all{{"oneDNN", dnnl_version_text()}};
#if RELA_NEEDS_GPU_LIBRARIES
  for (LibraryVersion& library : gpu_library_versions()) all.push_back(std::move(library));
#endif
  return all;
}

std::string gpu_library_problem() {
#if RELA_NEEDS_GPU_LIBRARIES
  for (const SharedLibrary* library : {&cudnn_library(), &cublaslt_library()}) {
    if (!library->problem().empty()) return library->problem();
  }
#endif
  return "";
}

}  // namespace rela
