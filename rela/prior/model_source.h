#pragma once
// Trained backbones in files: published weights, and exports of finished runs.

#include <memory>
#include <string>

#include "kernels/augment/normalize.h"
#include "nn/backbone.h"
#include "nn/classifier.h"
#include "rela/data/eval_loader.h"

namespace rela {

/// The images that a model was trained on.
struct ModelInput {
  int64_t image_size = 32;  // side, pixels
  Normalization normalization = imagenet_normalization();
  PhotoResize photos = {};  // as it was evaluated
};

struct ModelSource {
  BackboneSpec spec;
  std::string weights_file;
  ModelInput input;
};

/// A finished run's backbone, as described by its exported/config.json. `folder` is the run's
/// folder or its exported/. Throws IoError if there is no export, WeightsError if it was not
/// written by this program.
ModelSource exported_model(const std::string& folder);

/// A model whose weights are in a safetensors file. Its shape is derived from the file's tensors;
/// for an exported file, its config.json is used. Images are as wide as the model is usually
/// trained on, normalised by ImageNet's constants (the published CIFAR nets use them too). CLIP's
/// `activation`, which weights do not show, is that of the name, of transformers' config.json
/// beside the file, or as given. Throws ConfigError for an unknown name, and without an activation;
/// WeightsError if the file is the export of another model.
ModelSource named_model(const std::string& name, const std::string& weights_file,
                        ClipActivation activation = ClipActivation::kUnstated);

/// Has the model take images of another side: the position embedding of a vision transformer is
/// resampled when it is loaded. What is wrong with the side, or nothing.
std::string resize_images(ModelSource& source, int64_t side);

/// The backbone with its weights; a classifier in the file is ignored. Throws WeightsError, which
/// lists missing, unexpected and mismatched names.
std::unique_ptr<Backbone> load_backbone(const ModelSource& source);

/// The backbone and its classifier, with the number of classes in the file. Throws WeightsError,
/// also if the file has no classifier.
struct LoadedClassifier {
  std::unique_ptr<Classifier> model;
  int64_t num_classes = 0;
};
LoadedClassifier load_classifier(const ModelSource& source);

}  // namespace rela
