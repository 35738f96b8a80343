#include "nn/classifier.h"

namespace rela {

std::string classifier_name(const BackboneSpec& backbone) {
  return std::visit([](const auto& model) { return std::string(model.classifier()); }, backbone);
}

Classifier::Classifier(const BackboneSpec& spec, int64_t num_classes)
    : backbone_(make_backbone(spec)), head_(backbone_->feature_width(), num_classes) {
  add_child("", *backbone_);
  add_child(classifier_name(spec), head_);
}

Var Classifier::forward(const Var& images, const ForwardContext& context) {
  return head_.forward(backbone_->forward(images, context));
}

}  // namespace rela
