// Every differentiable op on the cuda device against its double-precision oracle, in every storage
// type; emulated under every schedule. The other tests of this folder hold what is special to one
// kernel.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/op_cases.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

/// ThreadSanitizer looks at accesses, whatever the size: it gets the cases of at most 4096
/// elements.
std::vector<CaseRun> cuda_case_runs() {
  std::vector<CaseRun> runs = case_runs(Device::kCuda);
  if (!kThreadSanitizer) return runs;
  std::erase_if(runs, [](const CaseRun& c) {
    return std::ranges::any_of(c.op_case.inputs,
                               [](const OpInput& i) { return i.shape.numel() > 4096; });
  });
  return runs;
}

class CudaOp : public testing::TestWithParam<CaseRun> {};

TEST_P(CudaOp, MatchesOracle) {
  for_each_schedule([] { EXPECT_EQ(check_op(GetParam().op_case, GetParam().run), ""); });
}

TEST_P(CudaOp, AccumulatesGradients) {
  for_each_schedule(
      [] { EXPECT_EQ(check_op_accumulates(GetParam().op_case, GetParam().run), ""); });
}

INSTANTIATE_TEST_SUITE_P(All, CudaOp, testing::ValuesIn(cuda_case_runs()),
                         [](const auto& info) { return test_name(info.param); });

}  // namespace
}  // namespace rela::test
