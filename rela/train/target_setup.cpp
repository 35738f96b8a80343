#include "rela/train/target_setup.h"

#include <filesystem>

#include "rela/train/setup.h"
#include "runtime/log.h"

namespace rela {

PriorSpec prior_spec(const ExperimentConfig& config) {
  return {.source = config.rela.prior,
          .student = config.backbone,
          .seed = static_cast<uint64_t>(config.seed),
          .student_image_size = config.view(0).crop_size};
}

Targets targets_of(const ExperimentConfig& config, const ImageDataset& train_set,
                   int64_t feature_width, Device device, ProgressDisplay::Style progress) {
  const std::string& shared = config.rela.targets_path;
  const std::string own = (std::filesystem::path(config.out) / "targets.bin").string();
  const Prior prior(prior_spec(config), device);
  log_info("prior: ", prior.description(), ", ", prior.width(), " features of ",
           prior.input().image_size, "-pixel images");
  return Targets::open_or_build(prior, train_set,
                                {.path = shared.empty() ? own : shared,
                                 .student_width = feature_width,
                                 .pca_dim = config.rela.pca_dim,
                                 .progress = progress});
}

}  // namespace rela
