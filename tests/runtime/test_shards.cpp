// The ranks of the other tests, and what every communicator promises.

#include <gmock/gmock.h>

#include <array>
#include <chrono>
#include <thread>

#include "runtime/comm/shards.h"
#include "runtime/error.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr ShardOptions kThree{.count = 3, .timeout_s = 60};

std::string failure_of(const std::function<void(Communicator&)>& body,
                       const ShardOptions& options = kThree) {
  try {
    run_in_shards(options, body);
  } catch (const DistributedError& e) {
    return e.what();
  }
  return "none";
}

TEST(Shards, SumsEveryTypeToTheSameBits) {
  run_in_shards(kThree, [](Communicator& ranks) {
    const auto mine = static_cast<float>(ranks.rank() + 1);
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16, Dtype::kF16}) {
      Array numbers(Shape{5});
      for (int64_t i = 0; i < numbers.numel(); ++i) numbers[i] = mine;
      Tensor t = to_tensor(numbers, dtype);
      ranks.sum(wire_buffer(t));
      const Array sums = to_array(t);
      for (int64_t i = 0; i < sums.numel(); ++i) EXPECT_EQ(sums[i], 6);
    }
    Tensor whole = Tensor::zeros({2}, Dtype::kI64);
    whole.span<int64_t>()[1] = int64_t{1} << 40;
    ranks.sum(wire_buffer(whole));
    EXPECT_THAT(whole.span<int64_t>(), ElementsAre(0, int64_t{3} << 40));
  });
}

TEST(Shards, AddNeighboursFirst) {
  // In f32, 1 is lost beside 1e8: what is left tells in which order the terms were added.
  constexpr std::array<float, 4> kTells{1.0f, 1e8f, -1e8f, 1.0f};
  constexpr float kWant = (kTells[0] + kTells[1]) + (kTells[2] + kTells[3]);
  static_assert(kWant != ((kTells[0] + kTells[1]) + kTells[2]) + kTells[3]);
  run_in_shards({.count = 4}, [&](Communicator& ranks) {
    // Longer than what is added at once.
    Tensor t = Tensor::full({300'001}, kTells[static_cast<size_t>(ranks.rank())]);
    ranks.sum(wire_buffer(t));
    EXPECT_THAT(t.span<float>(), testing::Each(kWant));
  });
}

TEST(Shards, RoundSumsOf16BitsOnce) {
  run_in_shards({.count = 4}, [](Communicator& ranks) {
    // 256 + 1 is no bf16: rounded at each addition, the ones would vanish.
    Array numbers(Shape{3});
    for (int64_t i = 0; i < numbers.numel(); ++i) numbers[i] = ranks.is_first() ? 256 : 1;
    Tensor t = to_tensor(numbers, Dtype::kBf16);
    ranks.sum(wire_buffer(t));
    const Array sums = to_array(t);
    EXPECT_EQ(sums[2], 260);  // 259 is a tie
  });
}

TEST(Shards, GathersMessagesByRankAndAddsNumbers) {
  run_in_shards(kThree, [](Communicator& ranks) {
    const std::string mine(static_cast<size_t>(ranks.rank()), 'x');
    EXPECT_THAT(ranks.gather(mine), ElementsAre("", "x", "xx"));
    std::array<double, 2> numbers{1, static_cast<double>(ranks.rank())};
    ranks.sum_on_host(numbers);
    EXPECT_THAT(numbers, ElementsAre(3, 3));
    ranks.barrier();
  });
}

TEST(Shards, SumsBesideTheWorkRunInOrderWhileOthersAreMade) {
  constexpr int kSums = 50;
  run_in_shards(kThree, [](Communicator& ranks) {
    std::vector<Tensor> buffers;
    for (int i = 0; i < kSums; ++i)
      buffers.push_back(Tensor::full({i + 1}, static_cast<float>(ranks.rank() + i)));
    for (Tensor& buffer : buffers) ranks.begin_sum(wire_buffer(buffer));
    Tensor between = Tensor::full({7}, 1);
    ranks.sum(wire_buffer(between));
    EXPECT_THAT(between.span<float>(), testing::Each(3.0f));
    ranks.finish_sums();
    for (int i = 0; i < kSums; ++i) {
      EXPECT_THAT(buffers[static_cast<size_t>(i)].span<float>(),
                  testing::Each(static_cast<float>(3 + 3 * i)));
    }
  });
}

TEST(Shards, RefusesCallsThatDifferAndNamesBoth) {
  EXPECT_THAT(
      failure_of([](Communicator& ranks) {
        Tensor t = Tensor::zeros({ranks.rank() == 1 ? 4 : 5}, Dtype::kF32);
        ranks.sum(wire_buffer(t));
      }),
      testing::AnyOf(HasSubstr("shard 0 calls sum of 5 f32, and shard 1 calls sum of 4 f32"),
                     HasSubstr("shard 1 calls sum of 4 f32, and shard 2 calls sum of 5 f32")));
  EXPECT_THAT(failure_of([](Communicator& ranks) {
                Tensor t = Tensor::zeros({5}, ranks.rank() == 1 ? Dtype::kBf16 : Dtype::kF32);
                ranks.begin_sum(wire_buffer(t));
                ranks.finish_sums();
              }),
              HasSubstr("sum of 5 bf16"));
  EXPECT_THAT(failure_of(
                  [](Communicator& ranks) {
                    if (ranks.is_first()) {
                      ranks.barrier();
                    } else {
                      ranks.gather("x");
                    }
                  },
                  {.count = 2}),
              HasSubstr("shard 0 calls barrier, and shard 1 calls gather"));
}

TEST(Shards, ARankThatLeavesOrDoesNotComeIsNamed) {
  EXPECT_THAT(failure_of(
                  [](Communicator& ranks) {
                    if (ranks.is_first()) ranks.barrier();
                  },
                  {.count = 2}),
              HasSubstr("shard 0 calls barrier, and shard 1 has left"));
  EXPECT_THAT(failure_of(
                  [](Communicator& ranks) {
                    if (ranks.is_first()) ranks.barrier();
                    std::this_thread::sleep_for(std::chrono::milliseconds(300));
                  },
                  {.count = 2, .timeout_s = 0.1}),
              HasSubstr("shard 0 calls barrier, and not all others came in 0.1 s"));
}

TEST(Shards, AnErrorOfOneRankEndsAllAndIsTheOneThatIsTold) {
  EXPECT_THROW(run_in_shards(kThree,
                             [](Communicator& ranks) {
                               if (ranks.rank() == 2) throw DataError("shard 2 has bad data");
                               ranks.barrier();
                             }),
               DataError);
}

}  // namespace
}  // namespace rela::test
