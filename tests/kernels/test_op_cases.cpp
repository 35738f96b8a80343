// Every differentiable op against its double-precision oracle. tests/cuda/test_op_cases.cpp runs
// the same cases on the cuda device.

#include <gtest/gtest.h>

#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

class Oracle : public testing::TestWithParam<OpCase> {};

TEST_P(Oracle, BackwardMatchesFiniteDifferences) { EXPECT_EQ(check_oracle(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(All, Oracle, testing::ValuesIn(op_cases(CaseUse::kTest)),
                         [](const auto& info) { return test_name(info.param); });

class Op : public testing::TestWithParam<CaseRun> {};

TEST_P(Op, MatchesOracle) { EXPECT_EQ(check_op(GetParam().op_case, GetParam().run), ""); }

TEST_P(Op, AccumulatesGradients) {
  EXPECT_EQ(check_op_accumulates(GetParam().op_case, GetParam().run), "");
}

INSTANTIATE_TEST_SUITE_P(All, Op, testing::ValuesIn(case_runs(Device::kCpu)),
                         [](const auto& info) { return test_name(info.param); });

}  // namespace
}  // namespace rela::test
