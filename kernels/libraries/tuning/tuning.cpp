#include "kernels/libraries/tuning/tuning.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>

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

std::string MeasuringProgress::before_call(Clock::time_point now, const std::string& folder) {
  constexpr std::chrono::seconds kPause{3};
  if (++calls_ == 1) {
    began_ = told_ = now;
    return "measuring the libraries' algorithms for this device, which takes some seconds once; " +
           (folder.empty() ? "there is no folder to keep the choices in: set RELA_CACHE_DIR"
                           : "the choices are kept in " + folder);
  }
  if (now - told_ < kPause) return "";
  told_ = now;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
  return "measured the algorithms of " + std::to_string(calls_ - 1) + " calls in " +
         std::to_string(seconds) + " s";
}

namespace {

void tell_progress() {
  static std::mutex one_at_a_time;  // libraries measure in threads of their own
  const std::lock_guard lock(one_at_a_time);
  const std::string line =
      tuning().progress.before_call(MeasuringProgress::Clock::now(), tuning().folder);
  if (!line.empty()) tuning().inform(line);
}

/// The fastest of the first few that run; empty if none does.
std::optional<size_t> fastest_of(const RankedAlgorithms& algorithms) {
  std::optional<float> least;
  size_t fastest = 0;
  size_t measured = 0;
  const size_t tries = std::min(kTriedAlgorithms, algorithms.names.size());
  for (size_t i = 0; i < tries && measured < kMeasuredAlgorithms; ++i) {
    const std::optional<float> ms = algorithms.milliseconds(i);
    if (ms) ++measured;
    if (!ms || (least && *ms >= *least)) continue;
    least = ms;
    fastest = i;
  }
  return least ? std::optional(fastest) : std::nullopt;
}

}  // namespace

size_t choose_algorithm(const std::string& call, const RankedAlgorithms& algorithms,
                        ChoiceFile& file) {
  if (const std::optional<std::string> known = file.find(call)) {
    const auto found = std::ranges::find(algorithms.names, *known);
    if (found != algorithms.names.end())
      return static_cast<size_t>(found - algorithms.names.begin());
  }
  tell_progress();
  const std::optional<size_t> fastest = fastest_of(algorithms);
  if (fastest) file.put(call, algorithms.names[*fastest]);
  return fastest.value_or(0);
}

}  // namespace rela
