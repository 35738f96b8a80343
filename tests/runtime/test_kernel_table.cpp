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
const KernelTable<CountFn> kOfLibraries{"test_kernel_table_library",
                                        count_call,
                                        count_call,
                                        {.cpu = "oneSomething", .cuda = "cuSomething"}};

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

KernelEntry entry_of(const std::string& op) {
  const std::vector<KernelEntry> all = kernel_entries();
  const auto it = std::ranges::find_if(all, [&](const KernelEntry& e) { return e.op == op; });
  return it == all.end() ? KernelEntry{} : *it;
}

TEST(KernelTable, IsListedWithTheDevicesThatItServes) {
  const KernelEntry entry = entry_of("test_kernel_table_op");
  EXPECT_STREQ(entry.source(Device::kCpu), "built-in");
  EXPECT_FALSE(entry.on(Device::kCuda));
}

TEST(KernelTable, IsListedWithTheLibrariesThatServeIt) {
  const KernelEntry entry = entry_of("test_kernel_table_library");
  EXPECT_STREQ(entry.source(Device::kCpu), "oneSomething");
  EXPECT_STREQ(entry.source(Device::kCuda), "cuSomething");
}

}  // namespace
}  // namespace rela
