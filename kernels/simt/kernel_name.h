#pragma once
// What messages call a kernel.

#include <string>

namespace rela::simt {

/// The name as it stands in the source, with template arguments and without namespaces and
/// parameters, of a symbol: "relu_forward_kernel<float>". What is no C++ symbol stays as it is.
std::string readable_kernel_name(const char* symbol);

}  // namespace rela::simt
