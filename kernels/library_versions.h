#pragma once

#include <string>
#include <vector>

namespace rela {

/// A library that kernels call, as it was loaded: "oneDNN", "2.6.3".
struct LibraryVersion {
  std::string name;
  std::string version;
};
std::vector<LibraryVersion> library_versions();

/// Those of a build for GPUs alone.
LibraryVersion cudnn_version();
LibraryVersion cublaslt_version();
std::vector<LibraryVersion> gpu_library_versions();

}  // namespace rela
