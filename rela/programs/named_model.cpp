#include "rela/programs/named_model.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "rela/config/experiment_config.h"
#include "rela/eval/raw_pixels.h"
#include "rela/prior/prior.h"
#include "rela/train/setup.h"
#include "runtime/error.h"
#include "runtime/io/hash.h"
#include "runtime/log.h"

namespace rela {

namespace fs = std::filesystem;

NamedModel trained_model(const ModelSource& source, std::string name, Device device) {
  const auto model = std::make_shared<FrozenModel>(source, device);
  return {std::move(name), weights_sha256(source),
          [model](const ImageDataset& images, const char* what) {
            return features_of(*model, images, what);
          }};
}

NamedModel untrained_model(const std::string& folder, Device device) {
  constexpr int64_t kBatch = 256;
  const fs::path file = fs::path(folder) / "config.resolved.json";
  RELA_CHECK(fs::exists(file), IoError, "--untrained: ", file.string(),
             " is not there; name the folder of a run of train_byol");
  PriorSpec spec = prior_spec(load_config(file.string()));
  spec.source = {.model = kRandomPrior};
  const auto model = std::make_shared<Prior>(spec, device);
  log_info("made ", model->description());
  const auto embed = [model](const Tensor& images) { return model->embed(images); };
  return {"untrained", model->weights_sha256(),
          [model, embed](const ImageDataset& images, const char* what) {
            return extract_features(images, model->eval_options(kBatch), embed,
                                    show_pass(cat("features of the ", what, " images")));
          }};
}

NamedModel raw_pixels(int64_t side, Device device) {
  return {"pixels", "", [side, device](const ImageDataset& images, const char*) {
            return raw_pixel_features(images, side, device);
          }};
}

std::string folder_name(const std::string& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace rela
