#pragma once
// What one core can do, for benchmarks that say how much of it they reach.

#include <benchmark/benchmark.h>

namespace rela {

/// f32 flop/s of one core that does nothing but multiply-adds on registers, as wide as this build
/// compiles them. Measured anew on every call, which takes about 30 ms of processor time.
double core_multiply_add_peak();

/// Processor time of all threads of this process, in seconds.
double process_seconds();

/// Compares the loop of a benchmark with the peak. Other programs on the machine disturb it little:
/// it counts processor time and not the clock on the wall.
///   const CoreShare share;
///   for (auto _ : state) ...
///   share.report(state, flops);  // of one iteration
class CoreShare {
 public:
  CoreShare() : peak_(core_multiply_add_peak()), start_(process_seconds()) {}

  /// Counters: flops (per second, all threads), core_flops (per second of one core), core_peak, and
  /// core_share = core_flops / core_peak.
  void report(benchmark::State& state, double flops) const;

 private:
  double peak_;
  double start_;
};

}  // namespace rela
