#pragma once
// Parallel loops inside CPU kernels.

#include <cstdint>

#include "kernels/types.h"

namespace rela {

/// Threads that kernels use on the CPU. Defaults to usable_cores().
int cpu_threads();
/// 0: usable_cores() again.
void set_cpu_threads(int count);

/// The cores that this process may run on, by its affinity mask.
int usable_cores();
/// OMP_THREAD_LIMIT, or a very large number.
int openmp_thread_limit();
/// The size of the team that OpenMP really starts when cpu_threads() are asked for. A smaller one
/// would leave oneDNN's kernels waiting for threads that never come.
int openmp_team_size();

/// From now on this thread, and threads that it starts, treat numbers below 1.2e-38 as zero:
/// computing with them takes the processor a hundred times longer.
void flush_denormals();

/// Half-open range of part `index` when [0, n) is split into `parts` nearly equal pieces.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};
constexpr Range part_of(int64_t n, int64_t parts, int64_t index) {
  return {n * index / parts, n * (index + 1) / parts};
}

/// Pieces of work below this many elements are not worth a second thread.
inline constexpr int64_t kParallelGrain = 16 * 1024;

/// Runs body(i) for i in [0, n), on cpu_threads() threads. The order is unspecified: body must not
/// depend on it. Reductions stay deterministic when the caller fixes the number of parts by the
/// problem's size (never by the thread count) and adds the partial results in order.
template <class Body>
void parallel_for(int64_t n, Body&& body) {
  if (n <= 1 || cpu_threads() == 1) {
    for (int64_t i = 0; i < n; ++i) body(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(cpu_threads())
  for (int64_t i = 0; i < n; ++i) body(i);
}

/// Splits [0, n) into pieces of about kParallelGrain elements and runs body(begin, end) on each.
template <class Body>
void parallel_ranges(int64_t n, Body&& body) {
  const int64_t parts = n < 2 * kParallelGrain ? 1 : cpu_threads();
  parallel_for(parts, [&](int64_t i) {
    const Range r = part_of(n, parts, i);
    body(r.begin, r.end);
  });
}

/// Runs body(row) for all rows; few small rows stay on one thread.
template <class Body>
void parallel_rows(RowDims dims, Body&& body) {
  const int64_t parts = dims.rows * dims.cols < 2 * kParallelGrain ? 1 : cpu_threads();
  parallel_for(parts, [&](int64_t part) {
    const Range mine = part_of(dims.rows, parts, part);
    for (int64_t row = mine.begin; row < mine.end; ++row) body(row);
  });
}

}  // namespace rela
