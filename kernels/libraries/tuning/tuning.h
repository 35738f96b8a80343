#pragma once
// How a library's algorithm for a call is chosen among those that meet the call's requirements.
//
// Each algorithm is deterministic, but two of them differ in the last bits. The first in the
// library's ranking depends on device and library alone. Measuring finds the fastest, but between
// two that are close noise may decide: a process that finds no file of choices may choose
// differently from the one before.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/libraries/tuning/choice_file.h"

namespace rela {

enum class PlanSearch : uint8_t { kRanked, kMeasured };

/// What measuring tells whoever waits for it: one line when it begins, then one every few seconds.
class MeasuringProgress {
 public:
  using Clock = std::chrono::steady_clock;

  /// A call is about to be measured. Returns the line to log; empty: none is due.
  std::string before_call(Clock::time_point now, const std::string& folder);

 private:
  int64_t calls_ = 0;
  Clock::time_point began_{}, told_{};
};

struct Tuning {
  using Say = std::function<void(const std::string&)>;
  PlanSearch search = PlanSearch::kRanked;
  std::string folder = default_choice_folder();  // for files of choices; empty: none
  Say warn = [](const std::string&) {};
  Say inform = [](const std::string&) {};
  MeasuringProgress progress{};

  /// $RELA_CACHE_DIR, or rela/ in $XDG_CACHE_HOME, or in ~/.cache; empty without any.
  static std::string default_choice_folder();
};

/// The settings of the process. Set them before the first plan is made.
Tuning& tuning();

/// The algorithms for one call, in the order of the library's ranking.
struct RankedAlgorithms {
  std::vector<std::string> names;  // unique; the same in every process
  /// Times an algorithm on the device. Empty if the library refuses it or memory does not suffice.
  std::function<std::optional<float>(size_t algorithm)> milliseconds;
};

/// How many algorithms are measured, from the top of the ranking; those that cannot run do not
/// count, but no more than kTriedAlgorithms are tried.
inline constexpr size_t kMeasuredAlgorithms = 8;
inline constexpr size_t kTriedAlgorithms = 32;

/// The algorithm for a call: the one that the file names; otherwise the fastest of the first few,
/// which is written to the file; the first one if none could be measured. Ties go to the better
/// rank.
size_t choose_algorithm(const std::string& call, const RankedAlgorithms& algorithms,
                        ChoiceFile& file);

}  // namespace rela
