#include "rela/onnx/onnx_weights.h"

#include <utility>

#include "runtime/error.h"

namespace rela {

OnnxWeights::OnnxWeights(const Module& model, OnnxGraph& graph) : graph_(graph) {
  for (const StateTensor& t : state_of(model)) {
    if (t.value.dtype() != Dtype::kF32) continue;
    tensors_.emplace(t.name, tensor_in_file(t));
    unused_.insert(t.name);
  }
}

const Shape& OnnxWeights::shape(const std::string& name) const {
  const auto found = tensors_.find(name);
  RELA_CHECK(found != tensors_.end(), UnsupportedError, "onnx: this model has no ", name,
             "; only ResNets and vision transformers are exported");
  return found->second.shape();
}

Tensor OnnxWeights::take(const std::string& name) {
  shape(name);  // throws if it is not there
  unused_.erase(name);
  return tensors_.at(name);
}

OnnxValue OnnxWeights::constant(const std::string& name) {
  return graph_.constant(name, take(name));
}

OnnxValue OnnxWeights::transposed(const std::string& name) {
  const Tensor weight = take(name);
  const int64_t rows = weight.shape()[0];
  const int64_t columns = weight.shape()[1];
  Tensor out = Tensor::empty({columns, rows}, Dtype::kF32);
  const float* from = std::as_const(weight).data<float>();
  float* to = out.data<float>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
  return graph_.constant(name + ".transposed", out);
}

void OnnxWeights::check_all_used(const std::string& model) const {
  RELA_CHECK(unused_.empty(), UnsupportedError, "onnx: ", model, " has ", *unused_.begin(),
             ", which the export does not know");
}

}  // namespace rela
