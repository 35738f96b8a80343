#include "rela/experiments/learned_targets.h"

#include <charconv>

#include "nn/backbone.h"
#include "rela/prior/prior.h"
#include "rela/targets/target_builder.h"
#include "rela/train/setup.h"
#include "runtime/error.h"

namespace rela {
namespace {

constexpr int kHexadecimal = 16;

/// The images that a plan has counted: what names targets, and no pixels.
class CountedImages : public ImageDataset {
 public:
  explicit CountedImages(const Cell& cell) : size_(cell.images) {
    const char* end = cell.data.data() + cell.data.size();
    std::from_chars(cell.data.data(), end, fingerprint_, kHexadecimal);
  }
  int64_t size() const override { return size_; }
  int64_t num_classes() const override { return 0; }
  int64_t label(int64_t) const override { return 0; }
  ImageView image(int64_t, std::vector<uint8_t>&) const override {
    throw InternalError("counted images have no pixels");
  }
  const std::vector<std::string>& class_names() const override { return no_names_; }
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  int64_t size_;
  uint64_t fingerprint_ = 0;
  std::vector<std::string> no_names_{};
};

}  // namespace

std::string learned_targets(const RunLog& log) {
  std::string targets;
  for (const auto& [at, event] : log.marks) {
    const auto* start = std::get_if<StartEvent>(&event);
    const auto* resume = std::get_if<ResumeEvent>(&event);
    if (start != nullptr && start->facts.targets) targets = *start->facts.targets;
    if (resume != nullptr && resume->facts.targets) targets = *resume->facts.targets;
  }
  return targets;
}

std::string targets_now(const Cell& cell) {
  const ExperimentConfig& config = cell.config;
  const bool can_change = config.has_rela_phase() && config.rela.prior.model != kRandomPrior;
  if (!can_change || cell.data.empty()) return "";
  try {
    const Prior prior(prior_spec(config));
    const CountedImages images(cell);
    const TargetBuilder builder(prior, images,
                                {.path = config.rela.targets_path,
                                 .student_width = make_backbone(config.backbone)->feature_width(),
                                 .pca_dim = config.rela.pca_dim});
    return builder.fingerprint();
  } catch (const Error&) {
    return "";
  }
}

}  // namespace rela
