#pragma once

#include <optional>
#include <string>

#include "kernels/augment/normalize.h"
#include "nn/clip_activation.h"

namespace rela {

inline constexpr const char* kRandomPrior = "random";
inline constexpr const char* kExportedPrior = "exported";

/// Where a frozen model comes from.
struct PriorSource {
  /// A model's name, or
  ///   random:   the student's own network as the run's seed draws it
  ///   exported: the backbone that a finished run left
  std::string model = kRandomPrior;
  /// File or folder of a named model's weights; folder of the finished run, or its `exported`, for
  /// `exported`; empty for `random`. Width and stem come from the weights.
  std::string weights{};
  std::optional<Normalization> normalize{};               // none: what the prior was trained with
  std::optional<int64_t> image_size{};                    // likewise; not for `random`
  ClipActivation activation = ClipActivation::kUnstated;  // of CLIP's, if the name does not say it
  bool allow_partial = false;  // weights that are missing or do not fit stay random, of seed 0
};

}  // namespace rela
