#pragma once

#include <memory>
#include <span>

#include "kernels/types.h"

namespace rela {

/// An operation of oneDNN with several inputs and one output, made once for its shapes and for the
/// number of threads. Immutable, so threads may share it.
class DnnlPlan {
 public:
  virtual ~DnnlPlan() = default;

  virtual size_t workspace_bytes(Write mode) const = 0;
  /// `inputs` in the order that the plan's maker names. The output is f32 or bf16. The workspace
  /// holds workspace_bytes(output.mode).
  virtual void run(std::span<const void* const> inputs, GradOut output,
                   Workspace workspace) const = 0;
};

}  // namespace rela
