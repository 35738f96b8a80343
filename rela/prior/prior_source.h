#pragma once

#include <optional>
#include <string>

#include "kernels/augment/normalize.h"

namespace rela {

inline constexpr const char* kRandomPrior = "random";
inline constexpr const char* kExportedPrior = "exported";

/// Where a frozen model comes from.
struct PriorSource {
  /// A model's name, or
  ///   random:   the student's own network as the run's seed draws it
  ///   exported: the backbone that a finished run left
  std::string model = kRandomPrior;
  /// File of a named model's weights; folder of the finished run, or its `exported`, for
  /// `exported`; empty for `random`. Width and stem come from the weights.
  std::string weights{};
  std::optional<Normalization> normalize{};  // none: what the prior was trained with
};

}  // namespace rela
