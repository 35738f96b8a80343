#pragma once

#include <stdexcept>

namespace rela::simt {

/// A launch or a CUDA call that failed, or a bug in a kernel that the emulator found. The text
/// names the kernel's source line, the launch or the call. kernels/ throws nothing else.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace rela::simt
