// When linked into a test binary, skips every test with the reason if there is no usable GPU.

#include <gtest/gtest.h>

#include "kernels/simt/device.h"

namespace rela::test {
namespace {

class SkipWithoutGpu : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    if (simt::device_count() == 0) GTEST_SKIP() << "no usable GPU: " << simt::device_problem();
  }
};

[[maybe_unused]] const bool listens = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new SkipWithoutGpu);  // which owns it
  return true;
}();

}  // namespace
}  // namespace rela::test
