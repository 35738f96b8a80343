#pragma once
// The limits of this machine, and how much of them a benchmark reaches.

#include <benchmark/benchmark.h>

#include <chrono>

namespace rela {

/// f32 flop/s of one core doing nothing but multiply-adds on registers, as wide as this build
/// compiles them. Measured on every call, which takes about 30 ms of processor time.
double core_multiply_add_peak();

/// Bytes/s, read plus written, of a copy between arrays larger than any cache, with all of
/// cpu_threads(). Measured on the first call, which takes about 0.2 s.
double copy_rate();

/// Measures the loop of a benchmark against the limit that binds it; the limit itself is measured
/// after the loop.
///   const RoofShare share;
///   for (auto _ : state) ...
///   share.of_copy(state, bytes);  // bytes of one iteration
class RoofShare {
 public:
  RoofShare() { resume(); }

  /// Leaves out what the loop does until resume(). Returns the seconds since the last resume().
  double pause();
  void resume();

  /// For loops bound by arithmetic. Counters: flops (per second, all threads), core_flops (per
  /// second of one core) and of_peak, its share of core_multiply_add_peak(). Counts processor time,
  /// so other programs on the machine disturb it little.
  void of_peak(benchmark::State& state, double flops) const;

  /// For loops bound by memory. Counters: bytes_per_second and of_copy, its share of copy_rate().
  /// Above 1 where the data fit into the cache.
  void of_copy(benchmark::State& state, double bytes) const;

 private:
  struct Times {
    double processor = 0;  // seconds of all threads
    double elapsed = 0;
  };
  Times since_resume() const;
  Times total() const;

  Times before_;  // up to the last pause
  bool is_running_ = false;
  double processor_start_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace rela
