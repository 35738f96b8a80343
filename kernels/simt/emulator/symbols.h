#pragma once
// Names of emulated kernels, which are functions of this program.

#include <string>

namespace rela::simt {

/// "relu_forward_kernel<float>", from the symbol table of the running program (most kernels are
/// local to their source file, so the dynamic linker does not know them); "a kernel" in a stripped
/// program.
std::string kernel_name(const void* function);

}  // namespace rela::simt
