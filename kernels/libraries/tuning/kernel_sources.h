#pragma once

namespace rela {

/// A hash of the sources of the CUDA kernels, computed by the build: measurements of them hold for
/// as long as it stays the same.
const char* kernel_sources_hash();

}  // namespace rela
