// Linked into a test binary, every test that runs where there is no usable GPU is skipped with the
// reason.

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
