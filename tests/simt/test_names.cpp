#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/kernel_name.h"
#include "kernels/simt/launch_log.h"
#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

template <class T, int kStep>
__global__ void far_kernel(T* p) {
  p[kStep] = T{};
}
__global__ void harmless_kernel(int* p) { *p = 1; }

TEST(KernelName, LeavesOutNamespacesAndParameters) {
  EXPECT_EQ(simt::readable_kernel_name("_ZN4rela12_GLOBAL__N_112scale_kernelIfEEvPT_fl"),
            "scale_kernel<float>");
  EXPECT_EQ(simt::readable_kernel_name("_ZN4rela4copyINS_4Bf16ELi3EEEvPT_"), "copy<rela::Bf16, 3>");
  EXPECT_EQ(simt::readable_kernel_name("plain_kernel"), "plain_kernel");
}

TEST(KernelName, StandsInTheErrorOfItsLaunch) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  DeviceArray<int> x(size_t{4});
  EXPECT_THAT(error_of([&] {
                simt::launch(far_kernel<int, 4096>, {1, 1}, kTestStream, x.data());
              }),
              testing::StartsWith("far_kernel<int, 4096>, block (0,0,0) thread (0,0,0): invalid"));
}

TEST(KernelName, ChoosesTheKernelThatIsBroken) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  DeviceArray<int> x(size_t{1});
  const simt::Options before = simt::options();
  simt::options().broken_kernel = "harmless";
  const auto launch = [&] { simt::launch(harmless_kernel, {1, 1}, kTestStream, x.data()); };
  EXPECT_THAT(error_of(launch), AllOf(HasSubstr("harmless_kernel, block"), HasSubstr("(nil)")));
  simt::options().broken_kernel = "another";
  EXPECT_EQ(error_of(launch), "no error");
  simt::options() = before;
}

TEST(LaunchLog, NamesTheLastLaunchesNewestFirst) {
  const auto name = [](const void* kernel) {
    return std::string("kernel_") + *static_cast<const char*>(kernel);
  };
  const std::string letters = "abcdefghij";  // the first two are dropped
  for (const char& letter : letters) simt::log_launch(&letter, {"/x/kernels/a.cu", letter, 0});
  EXPECT_EQ(simt::last_launches(name).find("; the kernels launched last: kernel_j (kernels/a.cu:106"
                                           "), kernel_i (kernels/a.cu:105), "),
            0u);
  EXPECT_THAT(simt::last_launches(name),
              AllOf(HasSubstr("kernel_c"), Not(HasSubstr("kernel_b")),
                    testing::EndsWith("; CUDA_LAUNCH_BLOCKING=1 names the one that failed")));
}

TEST(ClaimedDevice, IsTheOneThatTheOptionsDescribe) {
  const simt::Options before = simt::options();
  simt::options().device = {.count = 2, .driver = 13010, .major = 7, .minor = 5};
  EXPECT_EQ(simt::device_count(), 2);
  EXPECT_EQ(simt::device_problem(), "");
  EXPECT_EQ(simt::device_facts(0).major * 10 + simt::device_facts(0).minor, 75);
  EXPECT_EQ(simt::versions().driver, 13010);
  simt::options().device.driver = 12040;  // too old: no device is visible
  EXPECT_EQ(simt::device_count(), 0);
  EXPECT_NE(simt::device_problem(), "");
  simt::options() = before;
}

}  // namespace
}  // namespace rela::test
