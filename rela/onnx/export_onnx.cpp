#include "rela/onnx/export_onnx.h"

#include "nn/vit.h"
#include "rela/onnx/model_graphs.h"
#include "rela/weights/timm_input.h"
#include "runtime/error.h"

namespace rela {
namespace {

constexpr const char* kBatch = "N";

VitFacts facts_of(const VisionTransformer::Spec& spec) {
  return {.image_size = spec.image_size,
          .heads = spec.heads,
          .eps = spec.eps,
          .quick_gelu = spec.activation == Gelu::kQuick};
}

}  // namespace

void export_onnx(const std::string& path, const ModelSource& source, const Backbone& backbone) {
  OnnxGraph graph;
  OnnxWeights weights(backbone, graph);
  OnnxValue features;
  if (const auto* vit = dynamic_cast<const VisionTransformer*>(&backbone)) {
    const int64_t side = vit->spec().image_size;
    const OnnxValue images = graph.input("images", {kBatch, int64_t{3}, side, side});
    features = vit_nodes(graph, weights, images, facts_of(vit->spec()));
  } else {
    const OnnxValue images = graph.input("images", {kBatch, int64_t{3}, "height", "width"});
    features = resnet_nodes(graph, weights, images);
  }
  weights.check_all_used(name_of(source.spec));
  graph.output("features", features, {kBatch, backbone.feature_width()});
  graph.write(path,
              {{"model", name_of(source.spec)},
               {"input", to_json_text(timm_input_and_resize(source.input), JsonLayout::kCompact)}});
}

}  // namespace rela
