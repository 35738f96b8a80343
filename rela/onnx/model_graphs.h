#pragma once
// The families of backbones as ONNX nodes, from the names and shapes of their tensors.

#include "nn/backbone.h"
#include "rela/onnx/onnx_graph.h"
#include "rela/onnx/onnx_weights.h"

namespace rela {

/// images [N, 3, H, W] -> [N, D]
OnnxValue resnet_nodes(OnnxGraph& graph, OnnxWeights& weights, const OnnxValue& images);

struct VitFacts {  // that no tensor's shape tells
  int64_t heads = 0;
  float eps = 1e-6f;  // of the norms
};
OnnxValue vit_nodes(OnnxGraph& graph, OnnxWeights& weights, const OnnxValue& images,
                    const VitFacts& facts);

}  // namespace rela
