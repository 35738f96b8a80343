#include "rela/eval/cosine_search.h"

#include <gmock/gmock.h>

#include <cstring>

#include "runtime/error.h"
#include "tests/rela/eval/synthetic_features.h"

namespace rela {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

TEST(CosineSearch, PiecesOfAnySizeGiveTheBitsOfTheWhole) {
  const FeatureSet blobs =
      test::blobs({.rows = 331, .width = 9, .classes = 5, .noise = 2, .seed = 1});
  for (const FeatureSet& bank : {blobs, test::sign_rows(331, 3, 3)}) {  // the signs nearly all tie
    const Tensor queries = bank.features.slice(100, 140);
    for (const int64_t k : {1, 7, 50, 331}) {
      const TopK whole = CosineSearch(bank.features).nearest(queries, k);
      for (const int64_t piece : {1, 40, 330, 331}) {
        const TopK pieces = CosineSearch(bank.features, piece).nearest(queries, k);
        EXPECT_TRUE(same_bits(pieces.indices, whole.indices)) << k << " " << piece;
        EXPECT_TRUE(same_bits(pieces.values, whole.values)) << k << " " << piece;
      }
    }
  }
}

TEST(CosineSearch, TheCpuFindsAnyNumberAndCudaAsManyAsItsKernel) {
  EXPECT_NO_THROW(check_neighbour_count(100'000, Device::kCpu));
  EXPECT_NO_THROW(check_neighbour_count(256, Device::kCuda));
  EXPECT_THAT([] { check_neighbour_count(257, Device::kCuda); },
              testing::ThrowsMessage<UnsupportedError>(testing::HasSubstr(
                  "k: 257 neighbours on cuda; at most 256 are allowed there; lower k, or choose")));
}

}  // namespace
}  // namespace rela
