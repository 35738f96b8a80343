#include "kernels/dnnl/engine.h"

#include <omp.h>

#include "kernels/cpu_features.h"
#include "kernels/parallel.h"

namespace rela {

const dnnl::engine& dnnl_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& dnnl_stream() {
  thread_local dnnl::stream stream(dnnl_engine());
  // OpenMP's setting belongs to the thread that made it, cpu_threads() to the process.
  if (omp_get_max_threads() != cpu_threads()) omp_set_num_threads(cpu_threads());
  return stream;
}

bool cpu_has_bf16() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
}

}  // namespace rela
