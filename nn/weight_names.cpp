#include "nn/weight_names.h"

#include "runtime/error.h"
#include "runtime/io/weights_file.h"

namespace rela {
namespace {

constexpr char kNumber = '#';

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The name of a tensor, taken apart by a rule's pattern.
struct Match {
  std::string number;  // what '#' stands for
  std::string rest;    // behind the pattern: empty, or from a dot on
};
std::optional<Match> match(std::string_view pattern, std::string_view name) {
  Match found;
  size_t at = 0;
  for (const char c : pattern) {
    if (c != kNumber) {
      if (at >= name.size() || name[at++] != c) return std::nullopt;
      continue;
    }
    const size_t begin = at;
    while (at < name.size() && is_digit(name[at])) ++at;
    if (at == begin) return std::nullopt;
    found.number = name.substr(begin, at - begin);
  }
  found.rest = name.substr(at);
  if (!found.rest.empty() && found.rest.front() != '.') return std::nullopt;
  return found;
}

std::string with_number(std::string name, const std::string& number) {
  const size_t at = name.find(kNumber);
  return at == std::string::npos ? name : name.replace(at, 1, number);
}

}  // namespace

StoredTensor WeightNames::find(const std::string& model_name) const {
  for (const NameRule& rule : rules) {
    const std::optional<Match> found = match(rule.model, model_name);
    if (!found) continue;
    StoredTensor stored{.names = {}, .transposed = rule.transposed};
    for (const std::string& name : rule.file) {
      stored.names.push_back(prefix + with_number(name, found->number) + found->rest);
    }
    return stored;
  }
  return {.names = {prefix + model_name}};
}

NameRule rule_of_block(const std::string& block, const std::string& model,
                       const std::vector<std::string>& file) {
  NameRule rule{.model = "blocks.#." + model, .file = {}};
  for (const std::string& name : file) rule.file.push_back(cat(block, ".", name));
  return rule;
}

std::optional<std::string> prefix_of(const WeightsFile& file, std::string_view name) {
  for (const auto& entry : file.entries()) {
    const std::string_view found = entry.name;
    if (!found.ends_with(name)) continue;
    const std::string_view before = found.substr(0, found.size() - name.size());
    if (before.empty() || before.ends_with('.')) return std::string(before);
  }
  return std::nullopt;
}

}  // namespace rela
