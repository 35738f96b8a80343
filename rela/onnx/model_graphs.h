#pragma once
// The families of backbones as ONNX nodes, from the names and shapes of their tensors.

#include "nn/backbone.h"
#include "rela/onnx/onnx_graph.h"
#include "rela/onnx/onnx_weights.h"

namespace rela {

/// images [N, 3, H, W] -> [N, D]
OnnxValue resnet_nodes(OnnxGraph& graph, OnnxWeights& weights, const OnnxValue& images);

struct VitFacts {  // that no tensor's name and shape tell
  int64_t image_size = 0;
  int64_t heads = 0;
  float eps = 1e-6f;        // of the norms
  bool quick_gelu = false;  // x sigmoid(1.702 x), as OpenAI's CLIP, instead of the exact one
};
/// Also with layer scale (ls1.gamma), registers (reg_token), a norm before the blocks (norm_pre), a
/// projection (head), and without a class token's position or a patch bias, as DINOv2 and CLIP.
OnnxValue vit_nodes(OnnxGraph& graph, OnnxWeights& weights, const OnnxValue& images,
                    const VitFacts& facts);

}  // namespace rela
