// The ranks of the other tests, and what every communicator promises.

#include <gmock/gmock.h>

#include <array>
#include <chrono>
#include <thread>

#include "runtime/error.h"
#include "tests/support/array.h"
#include "tests/support/loopback.h"

namespace rela::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr LoopbackOptions kThree{.ranks = 3, .timeout_s = 60};

std::string failure_of(const std::function<void(Communicator&)>& body,
                       const LoopbackOptions& options = kThree) {
  try {
    run_in_threads(options, body);
  } catch (const DistributedError& e) {
    return e.what();
  }
  return "none";
}

TEST(Loopback, SumsEveryTypeToTheSameBits) {
  run_in_threads(kThree, [](Communicator& ranks) {
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

TEST(Loopback, GathersMessagesByRankAndAddsNumbers) {
  run_in_threads(kThree, [](Communicator& ranks) {
    const std::string mine(static_cast<size_t>(ranks.rank()), 'x');
    EXPECT_THAT(ranks.gather(mine), ElementsAre("", "x", "xx"));
    std::array<double, 2> numbers{1, static_cast<double>(ranks.rank())};
    ranks.sum_on_host(numbers);
    EXPECT_THAT(numbers, ElementsAre(3, 3));
    ranks.barrier();
  });
}

TEST(Loopback, SumsBesideTheWorkRunInOrderWhileOthersAreMade) {
  constexpr int kSums = 50;
  run_in_threads(kThree, [](Communicator& ranks) {
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

TEST(Loopback, RefusesCallsThatDifferAndNamesBoth) {
  EXPECT_THAT(
      failure_of([](Communicator& ranks) {
        Tensor t = Tensor::zeros({ranks.rank() == 1 ? 4 : 5}, Dtype::kF32);
        ranks.sum(wire_buffer(t));
      }),
      testing::AnyOf(HasSubstr("rank 0 calls sum of 5 f32, and rank 1 calls sum of 4 f32"),
                     HasSubstr("rank 1 calls sum of 4 f32, and rank 2 calls sum of 5 f32")));
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
                  {.ranks = 2}),
              HasSubstr("rank 0 calls barrier, and rank 1 calls gather"));
}

TEST(Loopback, ARankThatLeavesOrDoesNotComeIsNamed) {
  EXPECT_THAT(failure_of(
                  [](Communicator& ranks) {
                    if (ranks.is_first()) ranks.barrier();
                  },
                  {.ranks = 2}),
              HasSubstr("rank 0 calls barrier, and rank 1 has left"));
  EXPECT_THAT(failure_of(
                  [](Communicator& ranks) {
                    if (ranks.is_first()) ranks.barrier();
                    std::this_thread::sleep_for(std::chrono::milliseconds(300));
                  },
                  {.ranks = 2, .timeout_s = 0.1}),
              HasSubstr("rank 0 calls barrier, and not all others came in 0.1 s"));
}

TEST(Loopback, AnErrorOfOneRankEndsAllAndIsTheOneThatIsTold) {
  EXPECT_THROW(run_in_threads(kThree,
                              [](Communicator& ranks) {
                                if (ranks.rank() == 2) throw DataError("rank 2 has bad data");
                                ranks.barrier();
                              }),
               DataError);
}

}  // namespace
}  // namespace rela::test
