#include "kernels/library_versions.h"

#include <dnnl.h>

namespace rela {

std::vector<LibraryVersion> library_versions() {
  const dnnl_version_t* dnnl = dnnl_version();
  std::vector<LibraryVersion> all{{"oneDNN", std::to_string(dnnl->major) + "." +
                                                 std::to_string(dnnl->minor) + "." +
                                                 std::to_string(dnnl->patch)}};
#if RELA_HAS_CUDA && !RELA_CUDA_SIMT
  for (LibraryVersion& library : gpu_library_versions()) all.push_back(std::move(library));
#endif
  return all;
}

}  // namespace rela
