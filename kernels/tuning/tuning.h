#pragma once
// How a library's way of doing a call is chosen among those that keep to the call's terms.
//
// Each way gives the same bits every time, but two ways differ in the last ones. The first of the
// library's own ranking depends on device and library alone. Measuring finds the fastest, which
// noise may decide between two that are close: a process that finds no file of choices may choose
// otherwise than the one before.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/tuning/choice_file.h"

namespace rela {

enum class PlanSearch : uint8_t { kRanked, kMeasured };

struct Tuning {
  PlanSearch search = PlanSearch::kRanked;
  std::string folder = default_choice_folder();  // of files of choices; empty: none
  std::function<void(const std::string&)> warn = [](const std::string&) {};

  /// $RELA_CACHE_DIR, or rela/ in $XDG_CACHE_HOME, or in ~/.cache; empty without any.
  static std::string default_choice_folder();
};

/// Of the process. To be set before the first plan is made.
Tuning& tuning();

/// Ways to do one call, in the order of the library's ranking.
struct RankedWays {
  std::vector<std::string> names;  // unique; the same in every process
  /// Runs a way on the device. Nothing when the library refuses it or memory does not suffice.
  std::function<std::optional<float>(size_t way)> milliseconds;
};

/// How many of the first ways are measured.
inline constexpr size_t kMeasuredWays = 4;

/// The way for a call: the one that the file names; otherwise the fastest of the first few, which
/// is written to the file; the first one when none could be measured. Ties go to the better rank.
size_t choose_way(const std::string& call, const RankedWays& ways, ChoiceFile& file);

}  // namespace rela
