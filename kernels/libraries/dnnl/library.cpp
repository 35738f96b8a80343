#include "kernels/libraries/dnnl/library.h"

#include <omp.h>

#include <dnnl.hpp>

#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"

namespace rela {

std::string dnnl_version_text() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

void dnnl_use_cpu_threads() {
  // OpenMP's setting belongs to the thread that made it, cpu_threads() to the process.
  if (omp_get_max_threads() != cpu_threads()) omp_set_num_threads(cpu_threads());
}

bool cpu_has_bf16() {
  // A set of bits: instruction sets that come later include those of bf16.
  constexpr auto kBf16 = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kBf16) == kBf16;
}

}  // namespace rela
