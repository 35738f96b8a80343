#include "runtime/kernel_table.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "runtime/error.h"

namespace rela {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

using CountFn = void(int& calls, Stream stream);
void count_call(int& calls, Stream) { ++calls; }

const KernelTable<CountFn> kOnlyOnCpu{"test_kernel_table_op", count_call};

TEST(KernelTable, RunsTheKernelOfTheDevice) {
  int calls = 0;
  kOnlyOnCpu.launch(Device::kCpu, calls);
  EXPECT_EQ(calls, 1);
}

TEST(KernelTable, NamesOpAndDeviceWhenThereIsNoKernel) {
  EXPECT_THAT([] { kOnlyOnCpu.at(Device::kCuda); },
              ThrowsMessage<UnsupportedError>(
                  AllOf(HasSubstr("test_kernel_table_op: no cuda kernel in this build"),
                        HasSubstr("choose \"device\": \"cpu\""))));
}

TEST(KernelTable, IsListedWithTheDevicesThatItServes) {
  const std::vector<KernelEntry> all = kernel_entries();
  const auto it = std::ranges::find_if(
      all, [](const KernelEntry& e) { return std::string(e.op) == "test_kernel_table_op"; });
  ASSERT_NE(it, all.end());
  EXPECT_TRUE(it->on(Device::kCpu));
  EXPECT_FALSE(it->on(Device::kCuda));
}

}  // namespace
}  // namespace rela
