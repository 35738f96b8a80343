#pragma once
// Trained backbones in files: published weights, and what finished runs left.

#include <memory>
#include <string>

#include "kernels/augment/normalize.h"
#include "nn/backbone.h"
#include "nn/classifier.h"

namespace rela {

/// The images that a model was trained on.
struct ModelInput {
  int64_t image_size = 32;  // side, pixels
  Normalization normalization = imagenet_normalization();
};

struct ModelSource {
  BackboneSpec spec;
  std::string weights_file;
  ModelInput input;
};

/// A finished run's backbone, as its exported/config.json describes it. `folder` is the run's
/// folder or its exported/. Throws IoError when there is no export, WeightsError when it is not one
/// of this program's.
ModelSource exported_model(const std::string& folder);

/// A model whose weights are in a safetensors file. Stem and width are what the file's first
/// convolution shows; a file of an export comes with its config.json. Images are 224 pixels wide
/// for a model with the ImageNet stem and 32 for the others, normalised by ImageNet's constants
/// (the published CIFAR nets use them too). Throws ConfigError for an unknown name, WeightsError
/// when the file is the export of another model.
ModelSource named_model(const std::string& name, const std::string& weights_file);

/// The backbone with its weights; a classifier in the file is left out. Throws WeightsError, which
/// lists missing, unexpected and mismatched names.
std::unique_ptr<Backbone> load_backbone(const ModelSource& source);

/// The backbone and its classifier, with as many classes as the file has. Throws WeightsError, also
/// for a file without a classifier.
struct LoadedClassifier {
  std::unique_ptr<Classifier> model;
  int64_t num_classes = 0;
};
LoadedClassifier load_classifier(const ModelSource& source);

}  // namespace rela
