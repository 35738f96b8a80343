#pragma once
// Kernel names for messages.

#include <string>

namespace rela::simt {

/// The source name for a symbol, with template arguments and without namespaces and parameters:
/// "relu_forward_kernel<float>". A name that is not a C++ symbol is returned unchanged.
std::string readable_kernel_name(const char* symbol);

}  // namespace rela::simt
