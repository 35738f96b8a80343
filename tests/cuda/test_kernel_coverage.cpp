// Every op has a kernel for the cuda device.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "runtime/kernel_table.h"

namespace rela {
namespace {

/// Ops without a cuda kernel. The list must name them all, and nothing else.
const std::set<std::string> kMissing{
    "conv2d",
    "conv2d backward data",
    "conv2d backward weights",
    "conv2d workspace",
    "linear",
    "linear backward data",
    "linear backward weights",
    "linear workspace",
    "top_k_similarity",
    "top_k_similarity workspace",
    "transport_loss",
    "transport_loss workspace",
};

TEST(KernelCoverage, EveryOpButTheListedOnesHasACudaKernel) {
  std::set<std::string> missing;
  for (const KernelEntry& entry : kernel_entries()) {
    EXPECT_TRUE(entry.on(Device::kCpu)) << entry.op;
    if (!entry.on(Device::kCuda)) missing.insert(entry.op);
  }
  EXPECT_EQ(missing, kMissing);
  EXPECT_GE(kernel_entries().size(), 30u) << "the tables are not linked in";
}

}  // namespace
}  // namespace rela
