// NCCL's twin: what would hang NCCL, or silently mix up its sums, is refused. Runs as two
// processes.

#include <gmock/gmock.h>

#include "kernels/libraries/mpi/group.h"
#include "kernels/libraries/nccl/group.h"
#include "kernels/simt/device.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

constexpr double kTimeoutS = 30;

struct Sum {
  int64_t count = 0;
  WireType type = WireType::kF32;
};

class NcclTwin : public testing::Test {
 protected:
  NcclTwin() : stream_(simt::stream_create()) {}
  ~NcclTwin() override { simt::stream_destroy(stream_); }
  bool is_first() const { return processes_.rank() == 0; }

  /// The error after this process has made its sums.
  std::string error_of(const std::vector<Sum>& sums, double timeout_s = kTimeoutS) {
    NcclGroup group(make_nccl_id(), processes_.rank(), processes_.size(), timeout_s);
    DeviceArray<double> x(std::vector<double>(16, 0.0));
    for (const Sum& sum : sums) group.sum(x.data(), sum.count, sum.type, stream_);
    simt::stream_synchronize(stream_);
    const std::string error = group.error();
    processes_.barrier();
    return error;
  }

  MpiGroup processes_{kTimeoutS};
  Stream stream_;
};

/// Both calls, whichever process tells.
auto names_both(const std::string& first, const std::string& second) {
  return AllOf(HasSubstr("calls " + first), HasSubstr("calls " + second), HasSubstr("rank 0 calls"),
               HasSubstr("rank 1 calls"),
               HasSubstr("all ranks must make the same calls in the same order"));
}

TEST_F(NcclTwin, RunsAsTwoProcesses) { ASSERT_EQ(processes_.size(), 2); }

TEST_F(NcclTwin, AddsInStreamOrder) {
  NcclGroup group(make_nccl_id(), processes_.rank(), processes_.size(), kTimeoutS);
  DeviceArray<float> x(std::vector<float>(5, is_first() ? 1.0f : 2.0f));
  group.sum(x.data(), 5, WireType::kF32, stream_);
  group.sum(x.data(), 4, WireType::kF32, stream_);
  simt::stream_synchronize(stream_);
  EXPECT_EQ(group.error(), "");
  EXPECT_EQ(x.download(), (std::vector<float>{6, 6, 6, 6, 3}));
}

TEST_F(NcclTwin, RefusesAnotherCount) {
  EXPECT_THAT(error_of({{is_first() ? 4 : 5}}), names_both("sum 0 of 4 f32", "sum 0 of 5 f32"));
}

TEST_F(NcclTwin, RefusesAnotherType) {
  EXPECT_THAT(error_of({{4, WireType::kF32}, {4, is_first() ? WireType::kF32 : WireType::kI64}}),
              names_both("sum 1 of 4 f32", "sum 1 of 4 i64"));
}

TEST_F(NcclTwin, RefusesAnotherOrder) {
  const std::vector<Sum> order =
      is_first() ? std::vector<Sum>{{4}, {5}, {6}} : std::vector<Sum>{{4}, {6}, {5}};
  EXPECT_THAT(error_of(order), names_both("sum 1 of 5 f32", "sum 1 of 6 f32"));
}

TEST_F(NcclTwin, NamesTheCallThatTheOtherDoesNotMake) {
  const std::string error =
      error_of(is_first() ? std::vector<Sum>{{4}, {5}} : std::vector<Sum>{{4}}, /*timeout_s=*/0.5);
  if (is_first()) {
    EXPECT_THAT(error, AllOf(HasSubstr("sum 1 of 5 f32"), HasSubstr("no answer")));
  } else {
    EXPECT_EQ(error, "");
  }
}

TEST_F(NcclTwin, MakesNoSumsAfterTheFirstThatIsRefused) {
  NcclGroup group(make_nccl_id(), processes_.rank(), processes_.size(), kTimeoutS);
  DeviceArray<float> x(std::vector<float>(5, 1.0f));
  group.sum(x.data(), is_first() ? 4 : 5, WireType::kF32, stream_);
  group.sum(x.data(), 5, WireType::kF32, stream_);
  simt::stream_synchronize(stream_);
  EXPECT_THAT(x.download(), Each(1.0f));
}

}  // namespace
}  // namespace rela::test
