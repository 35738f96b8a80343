#pragma once

#include "kernels/types.h"

namespace rela {

/// A reduction over a flat array on a GPU is split into at most this many parts, depending on its
/// length alone.
inline constexpr int64_t kReduceParts = 1024;
/// Workspace of such a reduction: one 8-byte partial result for each part.
inline constexpr size_t kReduceWorkspaceBytes = kReduceParts * 8;

}  // namespace rela
