#include "rela/config/idle_keys.h"

#include <algorithm>
#include <string_view>

#include "runtime/error.h"
#include "runtime/io/config_table.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

/// Keys that matter for some values of another key only.
struct Condition {
  std::string_view key;  // one that ends in '.': the whole section
  const char* other;
  std::vector<std::string_view> values;  // with which it matters
};

const std::vector<Condition>& conditions() {
  static const std::vector<Condition> all{
      {"optimizer.momentum", "optimizer.name", {"lars", "sgd"}},
      {"optimizer.nesterov", "optimizer.name", {"sgd"}},
      {"optimizer.betas", "optimizer.name", {"adamw"}},
      {"optimizer.eps", "optimizer.name", {"adamw"}},
      {"optimizer.trust_coefficient", "optimizer.name", {"lars"}},
      {"optimizer.lr_base_batch", "optimizer.lr_scaling", {"linear"}},
      {"scheduler.warmup_epochs", "scheduler.name", {"warmup_cosine"}},
      {"scheduler.min_lr", "scheduler.name", {"cosine", "warmup_cosine"}},
      {"byol.", "method", {"byol", "rela_byol"}},
      {"rela.", "method", {"rela_byol", "rela_supervised"}},
      {"rela.switch.fraction", "rela.switch.mode", {"fixed"}},
      {"loss_scale.", "precision", {"fp16-mixed"}},
      {"data.train_path",
       "data.format",
       {"cifar10", "cifar100", "idx", "imagefolder", "tar", "packed"}},
      {"data.synthetic_images", "data.format", {"synthetic"}},
      {"data.max_bad_fraction", "data.bad_images", {"skip", "replace"}},
  };
  return all;
}

bool is_about(const Condition& condition, std::string_view key) {
  return condition.key.ends_with('.') ? key.starts_with(condition.key) : key == condition.key;
}

}  // namespace

std::vector<std::string> idle_overrides(const ExperimentConfig& config,
                                        const std::vector<std::string>& overrides) {
  const JsonValue resolved = parse_json(to_resolved_json(config));
  std::vector<std::string> lines;
  for (const std::string& assignment : overrides) {
    const std::string key = assignment.substr(0, assignment.find('='));
    for (const Condition& condition : conditions()) {
      if (!is_about(condition, key)) continue;
      const auto& value = *value_at(resolved, condition.other)->as<std::string>();
      if (std::ranges::count(condition.values, value) > 0) continue;
      std::string line = cat(key, ": no effect with ", condition.other, " ", value, "; ");
      for (const std::string_view good : condition.values)
        line += cat(good == condition.values.front() ? "" : ", ", good);
      lines.push_back(line + (condition.values.size() == 1 ? " uses it" : " use it"));
      break;
    }
  }
  return lines;
}

}  // namespace rela
