// The device draws the same bits as the CPU, word by word.

#include <gtest/gtest.h>

#include "kernels/random/random_bits.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

constexpr RandomKey kName{.seed = 0x0123456789abcdefu,
                          .epoch = 77,
                          .sample = 0x0000a1b2c3d4e5f6u,
                          .view = 1,
                          .op = RandomOp::kDropout};

std::vector<uint32_t> stream_words(const RandomKey& name, int64_t n) {
  RandomStream stream(name);
  std::vector<uint32_t> words(static_cast<size_t>(n));
  for (uint32_t& word : words) word = stream.bits();
  return words;
}

class RandomBits : public ::testing::TestWithParam<int64_t> {};

TEST_P(RandomBits, AreTheWordsOfTheStreamOnBothDevices) {
  const std::vector<uint32_t> want = stream_words(kName, GetParam());
  std::vector<uint32_t> on_cpu(want.size());
  random_bits_cpu(on_cpu.data(), GetParam(), kName, {});
  EXPECT_EQ(on_cpu, want);
  for_each_schedule([&] {
    DeviceArray<uint32_t> bits(GetParam());
    random_bits_cuda(bits.data(), GetParam(), kName, kTestStream);
    EXPECT_EQ(bits.download(), want);
  });
}
INSTANTIATE_TEST_SUITE_P(Sizes, RandomBits,
                         ::testing::Values(0, 1, 3, 4, 5, 31, 32, 33, 197, 1031, 4099));

TEST(RandomBits, MayStartAtAnyWordOfMemory) {
  const std::vector<uint32_t> want = stream_words(kName, 9);
  for_each_schedule([&] {
    DeviceArray<uint32_t> bits(size_t{10});
    random_bits_cuda(bits.data() + 1, 9, kName, kTestStream);
    const std::vector<uint32_t> got = bits.download();
    EXPECT_EQ(std::vector<uint32_t>(got.begin() + 1, got.end()), want);
    EXPECT_EQ(got[0], 0xffffffffu);
  });
}

}  // namespace
}  // namespace rela::test
