#pragma once
// Which of cuDNN's proposals a call takes on a device that is present: the first, or the fastest of
// the first few if measuring is on (kernels/libraries/tuning/tuning.h).

#include <functional>
#include <string>

#include "kernels/libraries/cudnn/engine_plan.h"
#include "kernels/libraries/tuning/measure.h"

namespace rela {

/// The handle of this thread and the current device. The first call allocates, which is not allowed
/// while a stream is being captured.
cudnnHandle_t cudnn_handle();
/// The same, set to work on `stream` from now on.
cudnnHandle_t cudnn_handle(Stream stream);

/// Allocates the tensors of a call for measuring.
using MeasuringTensors = std::function<GraphMemory(MeasuringMemory& memory)>;

/// For the current device. `call`: its name in the file of choices. Throws CudnnError with the last
/// refusal when there is no plan.
EnginePlan chosen_plan(const std::string& call, const EngineProposals& proposals,
                       const MeasuringTensors& tensors);

}  // namespace rela
