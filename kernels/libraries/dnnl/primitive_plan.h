#pragma once

#include <vector>

#include "kernels/libraries/dnnl/engine.h"
#include "kernels/libraries/dnnl/plan.h"

namespace rela {

/// One tensor of a primitive: the layout and type that the caller has, and those that the primitive
/// works with.
struct DnnlArgument {
  int id = 0;  // DNNL_ARG_*
  dnnl::memory::desc given;
  dnnl::memory::desc wanted;
};

/// A primitive, ready to run: each input is brought into the layout that the primitive wants, the
/// primitive runs, and its output is brought back, all through the workspace.
class DnnlPrimitivePlan final : public DnnlPlan {
 public:
  /// run() takes inputs in the order given here.
  DnnlPrimitivePlan(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
                    const std::vector<DnnlArgument>& inputs, const DnnlArgument& output);

  size_t workspace_bytes(Write mode) const override;
  void run(std::span<const void* const> inputs, GradOut output, Workspace workspace) const override;

 private:
  /// A tensor, the reorder between its two layouts if they differ, and where in the workspace its
  /// second form lies.
  struct Slot {
    DnnlArgument argument;
    dnnl::reorder reorder;  // empty when the layouts agree
    size_t offset = 0;
    bool needs_reorder() const { return static_cast<bool>(reorder); }
    void bring(dnnl::stream& stream, dnnl::memory from, dnnl::memory to) const;
  };
  Slot make_slot(const DnnlArgument& argument, const dnnl::memory::desc& from,
                 const dnnl::memory::desc& to);
  size_t reserve(size_t bytes);

  dnnl::primitive primitive_;
  dnnl::memory::desc scratchpad_;
  std::vector<Slot> inputs_;
  Slot output_;
  size_t scratchpad_offset_ = 0;
  size_t bytes_ = 0;             // without accumulation
  size_t accumulate_bytes_ = 0;  // one more output in the caller's layout, after the rest
};

}  // namespace rela
