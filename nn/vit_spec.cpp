#include "nn/vit_spec.h"

#include <algorithm>

#include "nn/dinov2_names.h"
#include "nn/image_side.h"
#include "nn/position_grid.h"
#include "nn/state.h"
#include "nn/stored_weights.h"
#include "nn/vit.h"
#include "nn/vit_names.h"
#include "runtime/error.h"
#include "runtime/io/config_table.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

struct Member {
  const char* name;
  VisionTransformer::Spec spec;
  bool is_dinov2 = false;
};
constexpr VisionTransformer::Spec kDinov2Small{
    .image_size = 518, .patch = 14, .width = 384, .heads = 6, .layer_scale = true};
constexpr VisionTransformer::Spec kDinov2Base{
    .image_size = 518, .patch = 14, .width = 768, .heads = 12, .layer_scale = true};
constexpr VisionTransformer::Spec with_registers(VisionTransformer::Spec spec) {
  spec.registers = 4;
  spec.class_position = false;
  return spec;
}
constexpr Member kMembers[] = {
    {"vit_tiny_patch16_224", {.image_size = 224, .patch = 16, .width = 192, .heads = 3}},
    {"vit_small_patch16_224", {.image_size = 224, .patch = 16, .width = 384, .heads = 6}},
    {"vit_base_patch16_224", {.image_size = 224, .patch = 16, .width = 768, .heads = 12}},
    {"vit_tiny_patch4_32", {.image_size = 32, .patch = 4, .width = 192, .heads = 3}},
    {"vit_small_patch14_dinov2", kDinov2Small, true},
    {"vit_base_patch14_dinov2", kDinov2Base, true},
    {"vit_small_patch14_reg4_dinov2", with_registers(kDinov2Small), true},
    {"vit_base_patch14_reg4_dinov2", with_registers(kDinov2Base), true},
};

const Member& member(const VitSpec& vit) {
  return *std::ranges::find(kMembers, vit.name, &Member::name);
}

VisionTransformer::Spec spec_of(const VitSpec& vit) {
  VisionTransformer::Spec spec = member(vit).spec;
  if (vit.image_size) spec.image_size = *vit.image_size;
  spec.frozen_patches = vit.frozen_patch_embedding.value_or(false);
  spec.fixed_positions = vit.fixed_positions;
  spec.mean_pool = vit.pooling == VitSpec::Pooling::kMean;
  spec.drop_path = vit.drop_path;
  return spec;
}

WeightNames names_in(const WeightsFile& weights, const VitSpec& vit) {
  return member(vit).is_dinov2 ? dinov2_names(weights) : vit_names(weights);
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

std::string VitSpec::identity() const {
  return cat(name, '\n', usual_image_size(), fixed_positions ? "\nfixed positions" : "",
             pooling == Pooling::kMean ? "\nmean" : "");
}

void VitSpec::take_global_pool(const JsonValue& config) {
  if (member_or<std::string>(config, "global_pool") == "avg") pooling = Pooling::kMean;
}

Normalization VitSpec::usual_normalization() const {
  return member(*this).is_dinov2 ? imagenet_normalization() : half_normalization();
}

ResizeFilter VitSpec::usual_filter() const {
  return member(*this).is_dinov2 ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
}

void VitSpec::read_shape(const WeightsFile& weights) {
  if (stored_shape(weights, names_in(weights, *this).find("fc_norm.weight")))
    pooling = Pooling::kMean;
  const auto shape = stored_shape(weights, names_in(weights, *this).find("pos_embed"));
  if (!shape || shape->rank() != 3) return;  // [1, rows, width]
  const std::optional<PositionGrid> grid = position_grid((*shape)[1]);
  if (grid) image_size = grid->side * spec_of(*this).patch;
}

LoadOptions VitSpec::load_options(const WeightsFile& weights) const {
  LoadOptions options{.names = names_in(weights, *this), .position = "pos_embed"};
  options.ignored_prefixes = options.names.ignored;
  options.ignored_prefixes.push_back(cat(classifier(), "."));
  if (!spec_of(*this).class_position) options.class_token = "cls_token";
  return options;
}

std::string VitSpec::fit_images(int64_t side) {
  const int64_t patch = spec_of(*this).patch;
  return fit_side(image_size, side, patch,
                  cat(name, " cuts images into patches of ", patch, " pixels"));
}

void describe_shape(ConfigTable& table, VitSpec& spec) {
  describe_image_size(table, spec.image_size);
}

}  // namespace rela
