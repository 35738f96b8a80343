#include "nn/clip_resnet_spec.h"

#include "nn/clip_names.h"
#include "nn/clip_resnet.h"
#include "nn/image_side.h"
#include "nn/position_grid.h"
#include "nn/state.h"
#include "nn/stored_weights.h"
#include "runtime/error.h"
#include "runtime/io/config_table.h"

namespace rela {
namespace {

constexpr const char* kPositions = "attnpool.positional_embedding";

}  // namespace

std::vector<std::string> ClipResNetSpec::names() { return {"RN50"}; }

std::unique_ptr<Backbone> ClipResNetSpec::make() const {
  return std::make_unique<ClipResNet>(
      ClipResNet::Layout{.blocks = {3, 4, 6, 3}, .image_size = usual_image_size()});
}

std::string ClipResNetSpec::description() const {
  return cat(name, " of ", usual_image_size(), "-pixel images");
}

std::string ClipResNetSpec::identity() const { return cat(name, '\n', usual_image_size()); }

void ClipResNetSpec::read_shape(const WeightsFile& weights) {
  const auto shape = stored_shape(weights, clip_resnet_names(weights).find(kPositions));
  if (!shape || shape->rank() != 2) return;  // [rows, width]
  const std::optional<PositionGrid> grid = position_grid((*shape)[0]);
  if (grid) image_size = grid->side * kClipResNetStride;
}

LoadOptions ClipResNetSpec::load_options(const WeightsFile& weights) const {
  LoadOptions options{.names = clip_resnet_names(weights), .position = kPositions};
  options.ignored_prefixes = options.names.ignored;
  options.ignored_prefixes.push_back(cat(classifier(), "."));
  return options;
}

std::string ClipResNetSpec::fit_images(int64_t side) {
  return fit_side(image_size, side, kClipResNetStride,
                  cat(name, " shrinks images by ", kClipResNetStride));
}

void describe_shape(ConfigTable& table, ClipResNetSpec& spec) {
  describe_image_size(table, spec.image_size);
}

}  // namespace rela
