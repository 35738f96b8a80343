// Every differentiable op against its double-precision oracle.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

class OpCases : public testing::TestWithParam<OpCase> {
 protected:
  bool runs_in(Dtype dtype) const { return std::ranges::count(GetParam().dtypes, dtype) > 0; }
};

TEST_P(OpCases, OracleBackwardMatchesFiniteDifferences) { EXPECT_EQ(check_oracle(GetParam()), ""); }

TEST_P(OpCases, MatchesOracleInF32) {
  if (!runs_in(Dtype::kF32)) GTEST_SKIP() << "no f32 form";
  EXPECT_EQ(check_op(GetParam(), Dtype::kF32), "");
}

TEST_P(OpCases, MatchesOracleInBf16) {
  if (!runs_in(Dtype::kBf16)) GTEST_SKIP() << "no bf16 form";
  EXPECT_EQ(check_op(GetParam(), Dtype::kBf16), "");
}

TEST_P(OpCases, AccumulatesGradientsInF32) {
  if (!runs_in(Dtype::kF32)) GTEST_SKIP() << "no f32 form";
  EXPECT_EQ(check_op_accumulates(GetParam(), Dtype::kF32), "");
}

TEST_P(OpCases, AccumulatesGradientsInBf16) {
  if (!runs_in(Dtype::kBf16)) GTEST_SKIP() << "no bf16 form";
  EXPECT_EQ(check_op_accumulates(GetParam(), Dtype::kBf16), "");
}

INSTANTIATE_TEST_SUITE_P(All, OpCases, testing::ValuesIn(all_op_cases()), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace rela::test
