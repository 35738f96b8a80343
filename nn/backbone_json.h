#pragma once
// A backbone in JSON: the keys of a config, and what an export says of the network.

#include <memory>
#include <string>

#include "nn/backbone.h"
#include "runtime/io/config_table.h"

namespace rela {

/// The keys of a config's backbone: `name` decides the family, and with it the others.
std::unique_ptr<ConfigVariant> make_backbone_keys(BackboneSpec& spec);

/// {"architecture": name, and the keys of its shape}
JsonValue::Object backbone_to_json(const BackboneSpec& spec);
/// Reads that back; other members are ignored. Throws WeightsError, naming `file`, for keys that
/// are missing or have values that no export has; ConfigError for an unknown architecture.
BackboneSpec backbone_from_json(const JsonValue& json, const std::string& file);

}  // namespace rela
