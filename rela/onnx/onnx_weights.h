#pragma once

#include <map>
#include <set>
#include <string>

#include "nn/state.h"
#include "rela/onnx/onnx_graph.h"

namespace rela {

/// A model's tensors as constants of a graph, under their names and in the layout of files; counts
/// which were used, so that no part of a model is left out.
class OnnxWeights {
 public:
  OnnxWeights(const Module& model, OnnxGraph& graph);

  bool has(const std::string& name) const { return tensors_.contains(name); }
  const Shape& shape(const std::string& name) const;  // in the file
  OnnxValue constant(const std::string& name);
  /// [out, in] as [in, out], for MatMul.
  OnnxValue transposed(const std::string& name);
  /// The tensor itself, f32, in the layout of files.
  Tensor take(const std::string& name);
  /// Throws UnsupportedError that names one that was not used. Counters need not be.
  void check_all_used(const std::string& model) const;

 private:
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> unused_;
  OnnxGraph& graph_;
};

}  // namespace rela
