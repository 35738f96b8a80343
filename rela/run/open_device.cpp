#include "rela/run/open_device.h"

#include <algorithm>

#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"
#include "runtime/allocator.h"
#include "runtime/comm/launch.h"
#include "runtime/comm/world.h"
#include "runtime/cpu_limit.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/float32_matmul.h"
#include "runtime/log.h"
#include "runtime/memory_limit.h"

namespace rela {

Device open_device(DeviceRequest request, const ComputeSettings& settings) {
  const World& here = world();
  choose_gpu({.index = here.gpu_rank, .processes = here.gpu_sharers});
  const DeviceChoice choice = choose_device(request);
  const bool on_gpu = choice.device == Device::kCuda && !choice.is_emulated;
  RELA_CHECK(settings.dtype != Dtype::kF16 || choice.device == Device::kCuda, UnsupportedError,
             "precision: fp16-mixed needs device cuda, and this run is on the CPU; choose "
             "\"bf16-mixed\" or \"fp32\"");
  RELA_CHECK(settings.dtype != Dtype::kBf16 || on_gpu || cpu_has_bf16(), UnsupportedError,
             "precision: bf16-mixed needs a processor with AVX-512 BF16, and this one has none; "
             "choose \"fp32\"");
  const int cores = cpu_limit().threads;
  const int share = std::max(cores / here.core_sharers, 1);
  use_cpu_threads(static_cast<int>(settings.threads.value_or(share)));
  if (cpu_threads() > cores) {
    log_warning("threads: ", cpu_threads(), " on ", cpu_limit().reason,
                ", which wait for each other; no more than ", cores, " are of use");
  }
  Allocator::of(Device::kCpu).set_limit(memory_limit());
  set_float32_matmul(settings.float32_matmul);
  tuning().search = settings.search;
  tuning().warn = [](const std::string& text) { log_warning(text); };
  tuning().inform = [](const std::string& text) { log_info("device: ", text); };
  if (!here.is_alone()) {
    log_info(here.size, " ranks on ", here.hosts, here.hosts == 1 ? " host" : " hosts",
             ", started by ", here.launcher);
  }
  log_info(
      "device: ", device_name(choice.device), choice.remark, ", ", describe_cpu_threads(), ", ",
      settings.dtype == Dtype::kF32 ? "fp32" : cat(dtype_name(settings.dtype), " and f32 mixed"));
  if (const std::string hint = binding_hint(); !hint.empty()) log_warning(hint);
  if (choice.is_emulated) {
    log_warning(
        "device: cuda is emulated on the CPU in this build, for tests; it is thousands of times "
        "slower than a GPU");
  }
  return choice.device;
}

}  // namespace rela
