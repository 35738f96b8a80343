#include "kernels/libraries/tuning/tuning.h"

#include <algorithm>
#include <cstdlib>

namespace rela {
namespace {

/// A folder from the environment; empty if the variable is not set or empty.
std::optional<std::string> folder_of(const char* variable, const char* below) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value + std::string(below);
}

}  // namespace

std::string Tuning::default_choice_folder() {
  if (const auto chosen = folder_of("RELA_CACHE_DIR", "")) return *chosen;
  if (const auto cache = folder_of("XDG_CACHE_HOME", "/rela")) return *cache;
  return folder_of("HOME", "/.cache/rela").value_or("");
}

Tuning& tuning() {
  static auto* all = new Tuning;  // plans may be made during static destruction
  return *all;
}

size_t choose_algorithm(const std::string& call, const RankedAlgorithms& algorithms,
                        ChoiceFile& file) {
  if (const std::optional<std::string> known = file.find(call)) {
    const auto found = std::ranges::find(algorithms.names, *known);
    if (found != algorithms.names.end())
      return static_cast<size_t>(found - algorithms.names.begin());
  }
  std::optional<float> least;
  size_t fastest = 0;
  for (size_t algorithm = 0; algorithm < std::min(kMeasuredAlgorithms, algorithms.names.size());
       ++algorithm) {
    const std::optional<float> ms = algorithms.milliseconds(algorithm);
    if (!ms || (least && *ms >= *least)) continue;
    least = ms;
    fastest = algorithm;
  }
  if (least) file.put(call, algorithms.names[fastest]);
  return fastest;
}

}  // namespace rela
