#include "rela/train/run_check.h"

#include <filesystem>

#include "rela/train/rela.h"
#include "rela/train/setup.h"
#include "rela/train/training_state.h"
#include "runtime/log.h"
#include "runtime/memory_source.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// Without the map of a ReLA phase and the online classifier, which are small.
int64_t checkpoint_bytes(const ExperimentConfig& config, BackboneLearner& learner) {
  const Optimizer optimizer(config.optimizer, learner.parameters(), learner.target());
  size_t bytes = 0;
  for (const StateTensor& t : learner.state()) bytes += t.value.bytes();
  for (const StateTensor& t : learner.target_state()) bytes += t.value.bytes();
  for (const NamedState& s : optimizer.state()) bytes += s.value.bytes();
  return static_cast<int64_t>(bytes);
}

/// The folder itself does not exist before the run.
void check_disk(const ExperimentConfig& config, int64_t bytes) {
  fs::path place = config.out;
  std::error_code failure;
  while (place.has_relative_path() && !fs::exists(place, failure)) place = place.parent_path();
  const fs::space_info space = fs::space(place, failure);
  const int64_t needed = (config.checkpoint.keep_last + 1) * bytes;
  if (failure || space.available >= static_cast<uint64_t>(needed)) return;
  log_warning("out: ", config.out, ": checkpoints take ", format_bytes(static_cast<size_t>(needed)),
              " (checkpoint.keep_last ", config.checkpoint.keep_last,
              ", and the one being written), and ",
              format_bytes(static_cast<size_t>(space.available)), " are free");
}

std::string why_not_evaluated(const DataConfig& data, const ImageDataset& train,
                              const ImageDataset* test) {
  if (!train.has_labels()) return data.train_path + ": the training images have no labels";
  if (test == nullptr)
    return data.train_path + ": there is no test split; name one by data.val_path";
  const std::string& path = data.val_path.empty() ? data.train_path : data.val_path;
  return test->has_labels() ? "" : path + ": the test images have no labels";
}

}  // namespace

void check_resume(const RunData& data, const fs::path& checkpoint) {
  const SavedTraining saved(checkpoint, data.config, *data.train);
  if (const std::string learned = saved.targets(); !learned.empty())
    check_prior(data.config, *data.train, make_backbone(data.config.backbone)->feature_width(),
                learned);
}

RunCheck check_run(const ExperimentConfig& config, const fs::path& checkpoint) {
  const Device device = open_device(config);
  const auto train = open_split(config, Split::kTrain);
  const auto test = open_test_split(fit_to_data(config, *train), *train);
  const RunLength length = run_length(config, train->size());
  if (const std::string hint = unfinished_warmup(config, length); !hint.empty()) log_warning(hint);
  const auto learner = make_learner(config, train->num_classes(), device);
  std::string learned;
  if (!checkpoint.empty()) learned = SavedTraining(checkpoint, config, *train).targets();
  if (config.has_rela_phase()) check_prior(config, *train, learner->feature_width(), learned);
  const int64_t bytes = checkpoint_bytes(config, *learner);
  check_disk(config, bytes);
  return {.device = device,
          .train_images = train->size(),
          .test_images = test ? test->size() : 0,
          .steps = length.total_steps,
          .features = learner->feature_width(),
          .checkpoint_bytes = bytes,
          .why_not_evaluated = why_not_evaluated(config.data, *train, test.get())};
}

}  // namespace rela
