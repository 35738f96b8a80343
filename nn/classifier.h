#pragma once

#include <memory>
#include <string>

#include "nn/backbone.h"
#include "nn/layers.h"

namespace rela {

/// The name of the classifier on top of a backbone in published weights, such as "fc".
std::string classifier_name(const BackboneSpec& backbone);

/// A backbone with a linear classifier on top, named as in published weights: the backbone without
/// a prefix, then "fc.weight" and "fc.bias" (or "linear.*").
class Classifier : public Module {
 public:
  Classifier(const BackboneSpec& spec, int64_t num_classes);

  /// images [N, H, W, 3] f32 or bf16, normalised -> logits [N, num_classes].
  Var forward(const Var& images, const ForwardContext& context);

 private:
  std::unique_ptr<Backbone> backbone_;
  Linear head_;
};

}  // namespace rela
