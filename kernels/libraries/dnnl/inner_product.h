#pragma once

#include <memory>

#include "kernels/libraries/dnnl/plan.h"
#include "kernels/matmul/linear.h"

namespace rela {

/// How oneDNN computes an inner product.
struct DnnlInnerProductMethod {
  Dtype compute = Dtype::kF32;    // f32 or bf16
  bool reorders_weights = false;  // into the layout that oneDNN likes best; else as they lie
};

/// Inputs: forward x, w and the bias where the problem has one; data gradient dy, w; weight
/// gradient x, dy. Gradients leave the bias aside.
std::unique_ptr<DnnlPlan> make_dnnl_inner_product(const LinearProblem& problem, LinearPass pass,
                                                  const DnnlInnerProductMethod& method);

}  // namespace rela
