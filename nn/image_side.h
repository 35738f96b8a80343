#pragma once
// The side of the images that a network is made for, as families with position embeddings keep it.

#include <cstdint>
#include <optional>
#include <string>

namespace rela {

class ConfigTable;

/// Takes the side of the views. What is wrong with it, or nothing: it must be that of `image_size`
/// where there is one, and a multiple of `unit`, which `reason` explains: "RN50 shrinks images by
/// 32".
std::string fit_side(std::optional<int64_t>& image_size, int64_t side, int64_t unit,
                     const std::string& reason);

/// The key `image_size` of a backbone.
void describe_image_size(ConfigTable& table, std::optional<int64_t>& image_size);

}  // namespace rela
