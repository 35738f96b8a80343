#pragma once
// What gives images their features, under a name: a trained model, an untrained one, or none.

#include <functional>
#include <string>

#include "rela/data/dataset.h"
#include "rela/eval/features.h"
#include "rela/programs/frozen_model.h"

namespace rela {

struct NamedModel {
  std::string name;
  std::string weights_sha256;  // empty: none
  /// `what` names the images in the progress line: "training" or "test".
  std::function<FeatureSet(const ImageDataset&, const char* what)> features;
};

/// Throws WeightsError for weights that do not fit.
NamedModel trained_model(const ModelSource& source, std::string name, Device device);
/// The network of a run's folder as its config and seed draw it. Throws IoError if it is no run.
NamedModel untrained_model(const std::string& folder, Device device);
/// The pixels themselves, of images with this side.
NamedModel raw_pixels(int64_t side, Device device);

/// The last part of a folder's path.
std::string folder_name(const std::string& folder);

}  // namespace rela
