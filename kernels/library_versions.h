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

/// Those of a build for GPUs alone; "not found" where one is not on this machine.
LibraryVersion cudnn_version();
LibraryVersion cublaslt_version();
std::vector<LibraryVersion> gpu_library_versions();

/// Which library that a GPU needs cannot be loaded, and what to do; empty when there is none.
std::string gpu_library_problem();

}  // namespace rela
