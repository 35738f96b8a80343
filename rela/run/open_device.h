#pragma once

#include <optional>

#include "kernels/libraries/tuning/tuning.h"
#include "kernels/types.h"
#include "runtime/device_choice.h"

namespace rela {

struct ComputeSettings {
  Dtype dtype = Dtype::kF32;                // of activations
  PlanSearch search = PlanSearch::kRanked;  // on a GPU: kRanked gives the same bits every time
  std::optional<int64_t> threads{};         // of the CPU; none: cpu_limit()
  F32Math float32_matmul = F32Math::kExact;
};

/// Starts the device that was asked for, and the CPU threads: choose_device(). Logs the choice.
/// Throws UnsupportedError or DeviceError (exit code 8) for a device or dtype that this build or
/// machine lacks.
Device open_device(DeviceRequest request, const ComputeSettings& settings = {});

}  // namespace rela
