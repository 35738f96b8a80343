#include "kernels/cpu/parallel.h"

#include <omp.h>
#include <sched.h>

#include <atomic>

namespace rela {
namespace {

int usable_cores() {
#ifdef __SANITIZE_THREAD__
  return 1;  // the sanitizer does not see how OpenMP's threads synchronise
#else
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
#endif
}

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
