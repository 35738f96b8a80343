#pragma once
// A fuzz target as a test of a few seconds.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/mutate.h"

namespace rela::test {

/// A reader of files from elsewhere, given bytes as a file holds them: the outcome may be what was
/// read or the reader's own error. Anything else, such as a crash, an endless loop, another
/// exception or an allocation beyond what the bytes justify, is a bug.
struct FuzzTarget {
  const char* name;
  void (*run)(std::string_view bytes);
};

inline constexpr std::chrono::seconds kTimeOfATarget{3};

/// Sound files with random mistakes. An exception that is not the reader's own ends the test with
/// the number of the try; each try depends on its number alone.
inline void check_mutations(const FuzzTarget& target, const std::vector<std::string>& seeds) {
  constexpr uint32_t kMostTries = 20'000;
  ASSERT_GE(seeds.size(), 2u);
  const auto end = std::chrono::steady_clock::now() + kTimeOfATarget;
  uint32_t tries = 0;
  for (; tries < kMostTries && std::chrono::steady_clock::now() < end; ++tries)
    ASSERT_NO_THROW(target.run(Mutator(tries).next(seeds))) << "try " << tries;
  testing::Test::RecordProperty("tries", static_cast<int>(tries));
}

/// Sound files cut at every byte.
inline void check_beginnings(const FuzzTarget& target, const std::vector<std::string>& seeds) {
  const auto end = std::chrono::steady_clock::now() + kTimeOfATarget;
  for (const std::string& whole : seeds) {
    for (size_t size = 0; size <= whole.size() && std::chrono::steady_clock::now() < end; ++size)
      ASSERT_NO_THROW(target.run(std::string_view(whole).substr(0, size))) << size << " bytes";
  }
}

}  // namespace rela::test
