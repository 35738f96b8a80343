// Every differentiable op on the cuda device against its double-precision oracle, in every storage
// type; emulated under every schedule. One suite per op. The other tests of this folder hold what
// is special to one kernel.

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

using Check = std::string(const OpCase& c, OpRun run);

class CudaOp : public testing::Test {
 public:
  CudaOp(CaseRun run, Check* check) : run_(std::move(run)), check_(check) {}

  void TestBody() override {
    const auto body = [this] { EXPECT_EQ(check_(run_.op_case, run_.run), ""); };
    // Convolutions are the library's alone: emulated, a kernel of the CPU, which has no schedules.
    if (run_.op_case.op() == "conv2d") {
      body();
    } else {
      for_each_schedule(body);
    }
  }

 private:
  CaseRun run_;
  Check* check_;
};

void register_test(const CaseRun& run, const std::string& test, Check* check) {
  testing::RegisterTest((run.op_case.op() + "/CudaOp").c_str(),
                        (test + "/" + test_name(run)).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                        [=]() -> testing::Test* { return new CudaOp(run, check); });
}

[[maybe_unused]] const bool registered = [] {
  for (const CaseRun& run : cuda_case_runs()) {
    register_test(run, "MatchesOracle", check_op);
    register_test(run, "AccumulatesGradients", check_op_accumulates);
  }
  return true;
}();

}  // namespace
}  // namespace rela::test
