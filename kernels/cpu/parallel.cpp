#include "kernels/cpu/parallel.h"

#include <immintrin.h>
#include <omp.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <memory>

namespace rela {

int usable_cores() {
#ifdef __SANITIZE_THREAD__
  return 1;  // the sanitizer does not see how OpenMP's threads synchronise
#else
  constexpr int kMost = 1 << 20;
  for (int room = 1024; room <= kMost; room *= 2) {  // the kernel refuses a set that is too small
    const auto free_set = [](cpu_set_t* set) { CPU_FREE(set); };
    const std::unique_ptr<cpu_set_t, decltype(free_set)> set(CPU_ALLOC(room), free_set);
    const size_t bytes = CPU_ALLOC_SIZE(room);
    if (!set) return 1;
    CPU_ZERO_S(bytes, set.get());
    if (sched_getaffinity(0, bytes, set.get()) == 0) {
      const int count = CPU_COUNT_S(bytes, set.get());
      return count > 0 ? count : 1;
    }
    if (errno != EINVAL) return 1;
  }
  return 1;
#endif
}

int openmp_thread_limit() { return omp_get_thread_limit(); }

int openmp_team_size() {
  int size = 1;
#pragma omp parallel num_threads(cpu_threads())
#pragma omp single
  size = omp_get_num_threads();
  return size;
}

void flush_denormals() {
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);  // new threads inherit it
}

namespace {

std::atomic<int>& thread_count() {
  static std::atomic<int> count{usable_cores()};
  return count;
}

}  // namespace

int cpu_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_cpu_threads(int count) {
  thread_count().store(count < 1 ? usable_cores() : count, std::memory_order_relaxed);
  omp_set_num_threads(cpu_threads());  // oneDNN follows OpenMP's setting
}

}  // namespace rela
