#pragma once

#include <string>

#include "runtime/device.h"
#include "runtime/gpu_facts.h"

namespace rela {

/// What this program is and what it found: build, toolkit, libraries, GPUs, one line each.
///   rela 0.1.0
///   build      Release, g++ 12.2.0
///   cuda       CUDA 13.0, driver for CUDA 13.1      (or "emulated on the CPU, toolkit CUDA 13.0")
///   libraries  oneDNN 2.6.3, cuDNN 9.10.2, cuBLASLt 13.0.1
///   gpu 0      NVIDIA H100, compute capability 9.0, 132 multiprocessors, 79.1 GiB
std::string build_report(const GpuFacts& facts);

/// The kernels for each op on the device, one op per line: "built-in", a library, both, or "none".
std::string kernel_report(Device device);
/// The same for every device of the build.
std::string kernel_reports(const GpuFacts& facts);

}  // namespace rela
