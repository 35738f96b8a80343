#include "nn/parameter_arena.h"

#include "runtime/allocator.h"
#include "runtime/ops/cast.h"

namespace rela {
namespace {

constexpr int64_t kAlignment = 16;  // elements

}  // namespace

ParameterArena::ParameterArena(std::vector<NamedParameter> parameters, Dtype compute, Device device)
    : parameters_(std::move(parameters)) {
  const MemoryUseGuard use(MemoryUse::kParameters);
  int64_t size = 0;
  for (const NamedParameter& p : parameters_) {
    const int64_t count = p.var.value().numel();
    segments_.push_back({p.name, size, count, p.kind, p.blocks_above});
    size += (count + kAlignment - 1) / kAlignment * kAlignment;
  }
  values_ = Tensor::zeros({size}, Dtype::kF32, device);
  gradients_ = Tensor::zeros({size}, Dtype::kF32, device);
  if (compute != Dtype::kF32) compute_copy_ = Tensor::zeros({size}, compute, device);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Node& node = parameters_[i].var.node();
    const int64_t offset = segments_[i].offset;
    Tensor home = values_.segment(offset, node.value.shape());
    home.copy_from(node.value);
    node.value = home;
    node.grad = gradients_.segment(offset, node.value.shape());
    node.grad_written = false;
    if (compute_copy_.defined())
      node.compute_copy = compute_copy_.segment(offset, node.value.shape());
  }
  refresh_compute_copy();
}

void ParameterArena::zero_grad() {
  for (const NamedParameter& p : parameters_) rela::zero_grad(p.var);
}

void ParameterArena::finish_gradients() {
  for (const NamedParameter& p : parameters_) {
    Node& node = p.var.node();
    if (!node.grad_written) node.grad.fill_zero();
  }
}

void ParameterArena::refresh_compute_copy() {
  if (!compute_copy_.defined()) return;
  convert(values_, compute_copy_);
}

bool ParameterArena::is_prefix_of(const ParameterArena& larger) const {
  if (segments_.size() > larger.segments_.size()) return false;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const ArenaSegment& a = segments_[i];
    const ArenaSegment& b = larger.segments_[i];
    if (a.name != b.name || a.offset != b.offset || a.size != b.size) return false;
  }
  return true;
}

}  // namespace rela
