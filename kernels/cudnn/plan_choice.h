#pragma once
// Which of cuDNN's proposals a call takes on a device that is present: the first, or the fastest of
// the first few, where measuring is asked for (kernels/tuning/tuning.h).

#include <functional>
#include <string>

#include "kernels/cudnn/engine_plan.h"
#include "kernels/tuning/measure.h"

namespace rela {

/// Of this thread and the current device. The first call allocates, which a stream that is being
/// recorded may not see.
cudnnHandle_t own_cudnn_handle();
/// The same, working on `stream` from now on.
cudnnHandle_t own_cudnn_handle(Stream stream);

/// Takes memory for the tensors of a call, to be measured on.
using MeasuringTensors = std::function<GraphMemory(MeasuringMemory& memory)>;

/// For the current device. `call`: its words in the file of choices. Throws CudnnError with the
/// last refusal when there is no plan.
EnginePlan chosen_plan(const std::string& call, const EngineProposals& proposals,
                       const MeasuringTensors& tensors);

}  // namespace rela
