#pragma once
// oneDNN as a whole. Its headers are included in this folder only.

#include <string>

namespace rela {

/// "2.6.3": the version that was loaded.
std::string dnnl_version_text();

/// Makes oneDNN use cpu_threads() threads on the calling thread; plans are cut for that number.
void dnnl_use_cpu_threads();

}  // namespace rela
