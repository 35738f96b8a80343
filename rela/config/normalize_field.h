#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/augment/normalize.h"
#include "runtime/io/config_table.h"

namespace rela {

/// "imagenet", "clip", "cifar10", "none".
std::vector<std::string> normalization_names();
std::optional<Normalization> normalization_of(const std::string& name);

/// Three numbers, each as short as reads back to the same float.
JsonValue channels_to_json(const std::array<float, 3>& values);

/// The name of a known one, or {"mean": [r, g, b], "std": [r, g, b]}.
JsonValue to_json(const Normalization& normalization);

/// A normalisation in a config: a name, three means and three positive deviations of values in
/// [0, 1], or null.
std::unique_ptr<ConfigField> make_normalize_field(std::optional<Normalization>& value);

}  // namespace rela
