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
  std::vector<std::string_view> values;  // with which it matters; empty: all but 0
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
      {"data.bad_images", "data.format", {"imagefolder", "tar", "packed"}},
      {"data.augment_on", "device", {"auto", "cuda"}},
      {"data.max_bad_fraction", "data.bad_images", {"skip", "replace"}},
      {"eval.knn_k", "eval.knn_every_epochs", {}},
      {"eval.knn_temperature", "eval.knn_every_epochs", {}},
      {"eval.knn_train_images", "eval.knn_every_epochs", {}},
  };
  return all;
}

bool is_about(const Condition& condition, std::string_view key) {
  return condition.key.ends_with('.') ? key.starts_with(condition.key) : key == condition.key;
}

/// The keys of a value and of all below it.
void add_keys(const std::string& path, const JsonValue& value, std::vector<std::string>& keys) {
  const auto* section = value.as<JsonValue::Object>();
  if (section == nullptr) return keys.push_back(path);
  for (const auto& [key, member] : *section) add_keys(cat(path, ".", key), member, keys);
}

/// What KEY=VALUE sets: KEY itself, or the keys of a section that is given whole.
std::vector<std::string> keys_of(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string path = assignment.substr(0, equals);
  std::vector<std::string> keys;
  try {
    add_keys(path, parse_json(assignment.substr(equals + 1)), keys);
  } catch (const JsonError&) {
    keys = {path};  // plain text
  }
  return keys;
}

bool matters(const Condition& condition, const JsonValue& other) {
  if (condition.values.empty()) return *other.as<int64_t>() != 0;
  return std::ranges::count(condition.values, *other.as<std::string>()) > 0;
}

std::string users_of(const Condition& condition) {
  if (condition.values.empty()) return "any other value uses it";
  std::string list(condition.values.front());
  for (size_t i = 1; i < condition.values.size(); ++i) list += cat(", ", condition.values[i]);
  return list + (condition.values.size() == 1 ? " uses it" : " use it");
}

/// "optimizer.momentum: no effect with ..."; empty for a key that has one.
std::string complaint_about(const std::string& key, const JsonValue& config) {
  for (const Condition& condition : conditions()) {
    if (!is_about(condition, key)) continue;
    const JsonValue& other = *value_at(config, condition.other);
    if (matters(condition, other)) continue;
    const auto* name = other.as<std::string>();
    return cat(key, ": no effect with ", condition.other, " ",
               name != nullptr ? *name : to_json_text(other, JsonLayout::kCompact), "; ",
               users_of(condition));
  }
  return "";
}

}  // namespace

std::vector<std::string> idle_overrides(const ExperimentConfig& config,
                                        const std::vector<std::string>& overrides) {
  const JsonValue resolved = parse_json(to_resolved_json(config));
  std::vector<std::string> lines;
  for (const std::string& assignment : overrides) {
    for (const std::string& key : keys_of(assignment)) {
      const std::string complaint = complaint_about(key, resolved);
      if (!complaint.empty()) lines.push_back(complaint);
    }
  }
  return lines;
}

}  // namespace rela
