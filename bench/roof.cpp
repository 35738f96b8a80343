#include "roof.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <vector>

#include "kernels/cpu/parallel.h"

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

/// Processor time of all threads of this process.
double process_seconds() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

double measure_copy_rate() {
  constexpr int64_t kBytes = 256 << 20;
  std::vector<char> from(kBytes, 1), to(kBytes, 0);
  const int64_t parts = cpu_threads();
  double best = 0.0;
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(parts, [&](int64_t part) {
      const Range mine = part_of(kBytes, parts, part);
      std::memcpy(to.data() + mine.begin, from.data() + mine.begin, mine.end - mine.begin);
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kBytes / took.count());
  }
  benchmark::DoNotOptimize(to.data());
  return best;
}

}  // namespace

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

double copy_rate() {
  static const double rate = measure_copy_rate();
  return rate;
}

RoofShare::Times RoofShare::since_resume() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  return {process_seconds() - processor_start_, took.count()};
}

RoofShare::Times RoofShare::total() const {
  if (!is_running_) return before_;
  const Times now = since_resume();
  return {before_.processor + now.processor, before_.elapsed + now.elapsed};
}

double RoofShare::pause() {
  const Times now = since_resume();
  before_ = {before_.processor + now.processor, before_.elapsed + now.elapsed};
  is_running_ = false;
  return now.elapsed;
}

void RoofShare::resume() {
  is_running_ = true;
  processor_start_ = process_seconds();
  start_ = std::chrono::steady_clock::now();
}

void RoofShare::of_peak(benchmark::State& state, double flops) const {
  const double rate = flops * static_cast<double>(state.iterations()) / total().processor;
  state.counters["flops"] =
      benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["core_flops"] = rate;
  state.counters["of_peak"] = rate / core_multiply_add_peak();
}

void RoofShare::of_copy(benchmark::State& state, double bytes) const {
  const double all = bytes * static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(all));
  state.counters["of_copy"] = all / total().elapsed / copy_rate();
}

}  // namespace rela
