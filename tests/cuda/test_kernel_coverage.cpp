// Every op has a kernel for the cuda device, and the report says whether it is built in or a
// library's.

#include <gmock/gmock.h>

#include "rela/programs/build_report.h"
#include "runtime/gpu_facts.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

TEST(KernelCoverage, EveryOpHasAKernelForBothDevices) {
  for (const KernelEntry& entry : kernel_entries()) {
    EXPECT_TRUE(entry.on(Device::kCpu)) << entry.op;
    EXPECT_TRUE(entry.on(Device::kCuda)) << entry.op;
  }
  EXPECT_GE(kernel_entries().size(), 30u) << "the tables are not linked in";
}

TEST(KernelReport, SaysWhoseAttentionIsTaken) {
  using testing::ContainsRegex;
  const std::string text = kernel_report(Device::kCuda);
  EXPECT_THAT(text, ContainsRegex("\n  attention backward +built-in\n"));
  EXPECT_THAT(text, ContainsRegex(gpu_facts().build == CudaBuild::kEmulated
                                      ? "\n  attention +built-in\n"
                                      : "\n  attention +cuDNN \\(bf16, f16\\) and built-in\n"));
  EXPECT_THAT(text, ContainsRegex("\n  conv2d +cuDNN\n"));
}

}  // namespace
}  // namespace rela
