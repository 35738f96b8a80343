#pragma once

#include <cuda_runtime.h>

#include "kernels/simt/site.h"

namespace rela::simt {

/// Shape of a launch; remembers its source location, so that an error can say which launch failed.
struct LaunchConfig {
  LaunchConfig(dim3 grid_dim, dim3 block_dim, size_t dynamic_shared_bytes = 0, SIMT_SITE)
      : grid(grid_dim), block(block_dim), shared_bytes(dynamic_shared_bytes), site(SIMT_HERE) {}

  dim3 grid;            // at least one block
  dim3 block;           // at most 1024 threads
  size_t shared_bytes;  // for SIMT_DYN_SHARED; at most 227 KiB
  Site site;
};

}  // namespace rela::simt
