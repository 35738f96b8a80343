#pragma once
// The most recent launches. A kernel that fails on a GPU is reported by some later call, which does
// not say which kernel it was.

#include <cstddef>
#include <string>

#include "kernels/simt/site.h"

namespace rela::simt {

inline constexpr size_t kLoggedLaunches = 8;

/// Records a launch and drops the one kLoggedLaunches before it. Callable from any thread.
void log_launch(const void* kernel, const Site& site);

/// "; the kernels launched last: NAME (FILE:LINE), ...; CUDA_LAUNCH_BLOCKING=1 names the one that
/// failed", newest first, or empty if there were none.
std::string last_launches(std::string (*name_of)(const void* kernel));

}  // namespace rela::simt
