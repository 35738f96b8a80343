#pragma once
// OUT/exported: the trained backbone, for this program and for others.

#include <cstdint>
#include <filesystem>
#include <vector>

#include "nn/backbone.h"
#include "nn/state.h"
#include "rela/prior/model_source.h"

namespace rela {

struct ExportedBackbone {
  BackboneSpec spec;
  int64_t feature_width = 0;
  std::vector<StateTensor> state;  // under torchvision's names without a prefix
  ModelInput input;                // the images it was trained on
  int64_t step = 0;                // optimiser steps done
};

/// Writes backbone.safetensors and config.json into the folder; exported_model() reads them.
void write_exported_backbone(const std::filesystem::path& folder, const ExportedBackbone& backbone);

}  // namespace rela
