#pragma once

#include <string>

#include "rela/prior/model_source.h"

namespace rela {

/// Writes a backbone as an ONNX model (opset 17): "images" [N, 3, S, S] f32, normalised, of any
/// number (ResNets: of any size) -> "features" [N, D] f32, as Backbone::forward() gives them in
/// evaluation mode. How images have to be prepared is noted in the file under timm's keys. Throws
/// UnsupportedError for a model with parts that the export does not know, WeightsError beyond 2
/// GiB, IoError.
void export_onnx(const std::string& path, const ModelSource& source, const Backbone& backbone);

}  // namespace rela
