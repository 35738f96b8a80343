// What processes exchange over MPI. Runs as three processes.

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/libraries/mpi/group.h"
#include "kernels/types.h"

namespace rela::test {
namespace {

class Mpi : public testing::Test {
 protected:
  /// Whether all processes have the same bytes.
  template <class T>
  bool all_have(const std::vector<T>& mine) {
    const size_t bytes = mine.size() * sizeof(T);
    std::vector<T> all(mine.size() * static_cast<size_t>(group_.size()));
    group_.all_gather(mine.data(), all.data(), static_cast<int64_t>(bytes));
    for (size_t at = 0; at < all.size(); at += mine.size()) {
      if (std::memcmp(&all[at], mine.data(), bytes) != 0) return false;
    }
    return true;
  }
  /// What a process gives for an element: sums that cancel, and sums that do not.
  static float element(int rank, int64_t i) {
    return std::sin(static_cast<float>(i) + 1.7f * static_cast<float>(rank)) *
           (i % 5 == 0 ? 1000.0f : 1.0f);
  }
  template <class T>
  void check_16_bit(WireType type, double unit_roundoff) {
    for (const int64_t count : {1, 2, 3, 7, 1000}) {
      std::vector<T> x;
      for (int64_t i = 0; i < count; ++i) x.push_back(store_as<T>(element(group_.rank(), i)));
      group_.sum(x.data(), count, type);
      for (int64_t i = 0; i < count; ++i) {
        double sum = 0;
        double magnitudes = 0;
        for (int r = 0; r < group_.size(); ++r) {
          const double given = to_float(store_as<T>(element(r, i)));
          sum += given;
          magnitudes += std::abs(given);
        }
        // One rounding of the result; those of the additions are in f32.
        EXPECT_NEAR(to_float(x[static_cast<size_t>(i)]), sum,
                    unit_roundoff * std::abs(sum) + 1e-6 * magnitudes)
            << i << " of " << count;
      }
      EXPECT_TRUE(all_have(x));
    }
  }

  MpiGroup group_{30};
};

TEST_F(Mpi, RunsAsThreeProcesses) { ASSERT_EQ(group_.size(), 3); }

TEST_F(Mpi, AddsF32F64AndI64) {
  std::vector<float> f(5, static_cast<float>(group_.rank() + 1));
  group_.sum(f.data(), 5, WireType::kF32);
  EXPECT_THAT(f, testing::Each(6.0f));
  std::vector<double> d(3, 0.25);
  group_.sum(d.data(), 3, WireType::kF64);
  EXPECT_THAT(d, testing::Each(0.75));
  std::vector<int64_t> i(2, int64_t{1} << 40);
  group_.sum(i.data(), 2, WireType::kI64);
  EXPECT_THAT(i, testing::Each(int64_t{3} << 40));
}

TEST_F(Mpi, Adds16BitsInF32AndRoundsOnce) {
  check_16_bit<Bf16>(WireType::kBf16, 0x1p-8);
  check_16_bit<F16>(WireType::kF16, 0x1p-11);
}

TEST_F(Mpi, SumsOfNothingAreNothing) {
  group_.sum(nullptr, 0, WireType::kBf16);
  group_.sum(nullptr, 0, WireType::kF32);
}

TEST_F(Mpi, BroadcastsAndGathersByRank) {
  std::vector<int> x(4, group_.rank());
  group_.broadcast(x.data(), static_cast<int64_t>(x.size() * sizeof(int)), 2);
  EXPECT_THAT(x, testing::Each(2));
  std::vector<int> all(3);
  const int mine = 10 * group_.rank();
  group_.all_gather(&mine, all.data(), sizeof(int));
  EXPECT_THAT(all, testing::ElementsAre(0, 10, 20));
  group_.barrier();
}

}  // namespace
}  // namespace rela::test
