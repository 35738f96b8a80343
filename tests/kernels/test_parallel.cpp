#include "kernels/cpu/parallel.h"

#include <gtest/gtest.h>
#include <immintrin.h>

#include <atomic>
#include <thread>

namespace rela {
namespace {

/// A denormal result, 1e-40: zero where denormals are flushed.
bool flushes() {
  volatile float small = 1e-30f;
  volatile float product = small * 1e-10f;
  return product == 0.0f;
}

TEST(FlushDenormals, HoldsForThisThreadAndThoseThatItStarts) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before & ~0x8040u);
  EXPECT_FALSE(flushes());
  flush_denormals();
  EXPECT_TRUE(flushes());
  bool later = false;
  std::thread([&] { later = flushes(); }).join();
  EXPECT_TRUE(later);
  volatile float denormal = 1e-40f;
  EXPECT_EQ(denormal * 1e10f, 0.0f);  // as an operand too
  _mm_setcsr(before);
}

TEST(Parallel, TeamsAreAsLargeAsAskedFor) {
  const int before = cpu_threads();
  for (const int threads : {1, 2, 3}) {
    set_cpu_threads(threads);
    EXPECT_EQ(openmp_team_size(), cpu_threads());
  }
  set_cpu_threads(before);
}

}  // namespace
}  // namespace rela
