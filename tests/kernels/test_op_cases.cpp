// Every differentiable op against its double-precision oracle.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <ostream>

#include "runtime/gpu_facts.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

/// A case in one of the types it is defined for, on one of the devices of the build; cases in bf16
/// also run in f16 on cuda.
struct CaseRun {
  OpCase op_case;
  OpRun run;
};
std::ostream& operator<<(std::ostream& out, const CaseRun& c) {
  return out << c.op_case << " in " << c.run;
}

std::vector<CaseRun> all_case_runs() {
  std::vector<Device> devices{Device::kCpu};
  if (gpu_facts().build != CudaBuild::kNone) devices.push_back(Device::kCuda);
  std::vector<CaseRun> runs;
  for (const OpCase& c : all_op_cases()) {
    for (const Dtype dtype : c.dtypes) {
      for (const Device device : devices) runs.push_back({c, {dtype, device}});
      if (dtype == Dtype::kBf16 && devices.back() == Device::kCuda) {
        runs.push_back({c, {Dtype::kF16, Device::kCuda}});
      }
    }
  }
  return runs;
}

std::string test_name(std::string name) {
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

class Oracle : public testing::TestWithParam<OpCase> {};

TEST_P(Oracle, BackwardMatchesFiniteDifferences) { EXPECT_EQ(check_oracle(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(All, Oracle, testing::ValuesIn(all_op_cases()),
                         [](const auto& info) { return test_name(info.param.name); });

class Op : public testing::TestWithParam<CaseRun> {
 protected:
  void SetUp() override {
    if (GetParam().run.device == Device::kCpu) return;
    const std::string complaint = gpu_complaint(gpu_facts());
    if (!complaint.empty()) GTEST_SKIP() << complaint;
  }
};

TEST_P(Op, MatchesOracle) { EXPECT_EQ(check_op(GetParam().op_case, GetParam().run), ""); }

TEST_P(Op, AccumulatesGradients) {
  EXPECT_EQ(check_op_accumulates(GetParam().op_case, GetParam().run), "");
}

INSTANTIATE_TEST_SUITE_P(All, Op, testing::ValuesIn(all_case_runs()), [](const auto& info) {
  const OpRun run = info.param.run;
  const char* where = run.device == Device::kCpu ? "" : "_cuda";
  return test_name(info.param.op_case.name + "_" + dtype_name(run.dtype) + where);
});

}  // namespace
}  // namespace rela::test
