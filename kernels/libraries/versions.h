#pragma once

#include <string>
#include <vector>

namespace rela {

/// A library that kernels call, as it was loaded: "oneDNN", "2.6.3".
struct LibraryVersion {
  std::string name;
  std::string version;
  std::string file{};  // the one that was loaded, if it was loaded when it was first needed
};
std::vector<LibraryVersion> library_versions();

/// Libraries of GPU builds only; "not found" if one is not on this machine.
LibraryVersion cudnn_version();
LibraryVersion cublaslt_version();
std::vector<LibraryVersion> gpu_library_versions();

/// Which library required by the GPU cannot be loaded, and what to do; empty if none is missing.
std::string gpu_library_problem();

}  // namespace rela
