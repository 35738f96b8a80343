#pragma once
// Trained backbones in files: published weights, and exports of finished runs.

#include <memory>
#include <string>

#include "nn/backbone.h"
#include "nn/backbone_weights.h"
#include "nn/classifier.h"
#include "nn/state.h"
#include "rela/prior/model_input.h"

namespace rela {

struct ModelSource {
  BackboneSpec spec;
  std::string weights_file;  // as weights_path() gives it
  ModelInput input;
  bool allow_partial = false;  // weights that are missing or do not fit stay random, of seed 0
};

/// A finished run's backbone, as described by its exported/config.json. `folder` is the run's
/// folder or its exported/. Throws IoError if there is no export, WeightsError if it was not
/// written by this program.
ModelSource exported_model(const std::string& folder);

/// A model whose weights are in a file or folder that open_weights() reads. Its shape is derived
/// from the tensors; for an exported file, its config.json is used. Images are as wide as the
/// tensors or a file beside them say, else as the model is usually trained on; and normalised by
/// ImageNet's constants (the published CIFAR nets use them too) unless a file beside the weights
/// says something else. CLIP's `activation`, which weights do not show, is that of the name, of
/// transformers' config.json beside the file, or as given. Throws ConfigError for an unknown name,
/// and without an activation; WeightsError if the file is the export of another model, or if the
/// config.json beside it names another function; what is only called otherwise, or contradicts a
/// given `activation`, is a warning.
ModelSource named_model(const std::string& name, const std::string& weights,
                        ClipActivation activation = ClipActivation::kUnstated);
/// The same of weights that are open.
ModelSource named_model(const std::string& name, const BackboneWeights& weights,
                        ClipActivation activation = ClipActivation::kUnstated);

/// The model that config.json beside the weights names; empty: none.
std::string described_model(const std::string& weights);

/// Whether a folder holds what write_exported_backbone() writes, be it a copy.
bool holds_export(const std::filesystem::path& folder);

/// Has the model take images of another side: the position embedding of a vision transformer is
/// resampled when it is loaded. What is wrong with the side, or nothing.
std::string resize_images(ModelSource& source, int64_t side);

/// Logs the side of the images where nothing says it, and `remedy`: "--image-size says another".
void tell_assumed_size(const ModelSource& source, const std::string& remedy = "");

/// A model that only its weights tell: the one of all names whose tensors they are, else the one
/// with the most of them.
struct RecognisedModel {
  ModelSource source;
  LoadReport fit;
};
/// Throws WeightsError if no model has any of them.
RecognisedModel recognise_model(const BackboneWeights& weights);

/// How the weights fit the backbone; a classifier is ignored.
LoadReport compare_backbone(const BackboneWeights& weights, const BackboneSpec& spec);

/// The backbone with its weights; a classifier in the file is ignored. Throws WeightsError, which
/// lists missing, unexpected and mismatched names.
std::unique_ptr<Backbone> load_backbone(const ModelSource& source);
/// The same from weights that are open.
std::unique_ptr<Backbone> load_backbone(const ModelSource& source, const BackboneWeights& weights);

/// What names a model's weights for good: sha256_of() their files.
std::string weights_sha256(const ModelSource& source);

/// The backbone and its classifier, with the number of classes in the file. Throws WeightsError,
/// also if the file has no classifier.
struct LoadedClassifier {
  std::unique_ptr<Classifier> model;
  int64_t num_classes = 0;
};
LoadedClassifier load_classifier(const ModelSource& source);

}  // namespace rela
