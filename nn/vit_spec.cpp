#include "nn/vit_spec.h"

#include <algorithm>
#include <cmath>

#include "nn/vit.h"
#include "runtime/error.h"
#include "runtime/io/config_table.h"
#include "runtime/io/safetensors.h"

namespace rela {
namespace {

struct Member {
  const char* name;
  VisionTransformer::Spec spec;
};
constexpr Member kMembers[] = {
    {"vit_tiny_patch16_224", {.image_size = 224, .patch = 16, .width = 192, .heads = 3}},
    {"vit_small_patch16_224", {.image_size = 224, .patch = 16, .width = 384, .heads = 6}},
    {"vit_base_patch16_224", {.image_size = 224, .patch = 16, .width = 768, .heads = 12}},
    {"vit_tiny_patch4_32", {.image_size = 32, .patch = 4, .width = 192, .heads = 3}},
};

VisionTransformer::Spec spec_of(const VitSpec& vit) {
  VisionTransformer::Spec spec = std::ranges::find(kMembers, vit.name, &Member::name)->spec;
  if (vit.image_size) spec.image_size = *vit.image_size;
  return spec;
}

}  // namespace

std::vector<std::string> VitSpec::names() {
  std::vector<std::string> names;
  for (const Member& member : kMembers) names.emplace_back(member.name);
  return names;
}

std::unique_ptr<Backbone> VitSpec::make() const {
  return std::make_unique<VisionTransformer>(spec_of(*this));
}

int64_t VitSpec::usual_image_size() const { return spec_of(*this).image_size; }

std::string VitSpec::description() const {
  return cat(name, " of ", usual_image_size(), "-pixel images");
}

std::string VitSpec::identity() const { return cat(name, '\n', usual_image_size()); }

void VitSpec::read_shape(const SafetensorsReader& weights) {
  const SafetensorsEntry* positions = weights.find("pos_embed");  // [1, tokens, width]
  if (positions == nullptr || positions->shape.rank() != 3 || positions->shape[1] < 2) return;
  const auto patches = static_cast<double>(positions->shape[1] - 1);
  image_size = std::llround(std::sqrt(patches)) * spec_of(*this).patch;
}

std::string VitSpec::fit_images(int64_t side) {
  const int64_t patch = spec_of(*this).patch;
  if (image_size && *image_size != side) return cat("must be that of the views, ", side);
  if (side % patch != 0)
    return cat(name, " cuts images into patches of ", patch, " pixels; views of ", side,
               " pixels are no multiple of it");
  image_size = side;
  return "";
}

void describe_shape(ConfigTable& table, VitSpec& spec) {
  table.integer("image_size", spec.image_size, Unset::kNull, Limits::between(1, 4096),
                "side of a vision transformer's images; null: that of the views");
}

}  // namespace rela
