#pragma once
// Kernels for the emulator's tests are in the test files. gtest comes before simt.h, which defines
// the thread indices as macros.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/error.h"
#include "tests/support/cuda_harness.h"

#include "kernels/simt/simt.h"

namespace rela::test {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Kernel line that an error must name: "tests/simt/test_x.cpp:41".
inline std::string at_line(const char* file, int line) { return simt::to_string({file, line, 0}); }

/// The text of the simt::Error that the body and the synchronisation after it throw, or "no error".
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
    simt::device_synchronize();
  } catch (const simt::Error& error) {
    return error.what();
  }
  return "no error";
}

/// Sets Options::poison while it lives.
class PoisonGuard {
 public:
  explicit PoisonGuard(unsigned char poison)
      : before_(std::exchange(simt::options().poison, poison)) {}
  ~PoisonGuard() { simt::options().poison = before_; }
  PoisonGuard(const PoisonGuard&) = delete;
  PoisonGuard& operator=(const PoisonGuard&) = delete;

 private:
  unsigned char before_;
};

}  // namespace rela::test
