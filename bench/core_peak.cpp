#include "core_peak.h"

#include <algorithm>
#include <cstdint>
#include <ctime>

namespace rela {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
using Vector [[gnu::vector_size(kLanes * sizeof(float))]] = float;

constexpr int kChains = 12;  // hide a latency of 4 cycles with 2 units, and fit 16 registers
constexpr int64_t kSteps = 200'000;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Runs kSteps multiply-adds in each chain.
void run_chains(Vector (&sums)[kChains], Vector factor, Vector term) {
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) sums[chain] = sums[chain] * factor + term;
  }
}

}  // namespace

double process_seconds() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

double core_multiply_add_peak() {
  constexpr double kFlops = 2.0 * kChains * kLanes * kSteps;
  Vector sums[kChains] = {};
  double best = 0.0;
  for (int round = 0; round < 20; ++round) {
    const double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    run_chains(sums, Vector{} + 0.5f, Vector{} + 1.0f);
    best = std::max(best, kFlops / (seconds_of(CLOCK_THREAD_CPUTIME_ID) - start));
  }
  for (Vector& sum : sums) benchmark::DoNotOptimize(sum);
  return best;
}

void CoreShare::report(benchmark::State& state, double flops) const {
  const double rate =
      flops * static_cast<double>(state.iterations()) / (process_seconds() - start_);
  state.counters["flops"] =
      benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["core_flops"] = rate;
  state.counters["core_peak"] = peak_;
  state.counters["core_share"] = rate / peak_;
}

}  // namespace rela
