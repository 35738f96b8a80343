// Every op has a kernel for the cuda device.

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rela
