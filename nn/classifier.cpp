#include "nn/classifier.h"

namespace rela {

std::string classifier_name(const std::string& backbone) {
  return is_cifar_resnet(backbone) ? "linear" : "fc";
}

Classifier::Classifier(const BackboneSpec& spec, int64_t num_classes)
    : backbone_(make_backbone(spec)), head_(backbone_->feature_width(), num_classes) {
  add_child("", *backbone_);
  add_child(classifier_name(spec.name), head_);
}

Var Classifier::forward(const Var& images, const ForwardContext& context) {
  return head_.forward(backbone_->forward(images, context));
}

}  // namespace rela
