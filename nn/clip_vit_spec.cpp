#include "nn/clip_vit_spec.h"

#include <algorithm>

#include "nn/clip_names.h"
#include "nn/image_side.h"
#include "nn/position_grid.h"
#include "nn/state.h"
#include "nn/stored_weights.h"
#include "nn/vit.h"
#include "runtime/error.h"
#include "runtime/io/config_table.h"

namespace rela {
namespace {

constexpr int64_t kImageSize = 224;
constexpr float kEps = 1e-5f;

struct Member {
  const char* name;
  int64_t patch, width, depth, heads, projection;
  ClipActivation activation;  // that the name means
};
constexpr ClipActivation kQuick = ClipActivation::kQuickGelu;
constexpr ClipActivation kEither = ClipActivation::kUnstated;
constexpr Member kMembers[] = {
    {"ViT-B/32", 32, 768, 12, 12, 512, kQuick},
    {"ViT-B/16", 16, 768, 12, 12, 512, kQuick},
    {"ViT-L/14", 14, 1024, 24, 16, 768, kQuick},
    {"vit_base_patch32_clip_quickgelu_224", 32, 768, 12, 12, 512, kQuick},
    {"vit_base_patch16_clip_quickgelu_224", 16, 768, 12, 12, 512, kQuick},
    {"vit_large_patch14_clip_quickgelu_224", 14, 1024, 24, 16, 768, kQuick},
    {"vit_base_patch32_clip_224", 32, 768, 12, 12, 512, kEither},
    {"vit_base_patch16_clip_224", 16, 768, 12, 12, 512, kEither},
    {"vit_large_patch14_clip_224", 14, 1024, 24, 16, 768, kEither},
};

const Member& member(const std::string& name) {
  return *std::ranges::find(kMembers, name, &Member::name);
}

VisionTransformer::Spec spec_of(const ClipVitSpec& clip) {
  const Member& m = member(clip.name);
  return {.image_size = clip.image_size.value_or(kImageSize),
          .patch = m.patch,
          .width = m.width,
          .depth = m.depth,
          .heads = m.heads,
          .eps = kEps,
          .activation = clip.activation == ClipActivation::kQuickGelu ? Gelu::kQuick : Gelu::kErf,
          .patch_bias = false,
          .pre_norm = true,
          .projection = clip.projection ? m.projection : 0};
}

}  // namespace

std::vector<std::string> ClipVitSpec::names() {
  std::vector<std::string> names;
  for (const Member& m : kMembers) names.emplace_back(m.name);
  return names;
}

void ClipVitSpec::take_name(const std::string& model) {
  name = model;
  activation = member(model).activation;
}

std::string ClipVitSpec::mistake() const {
  const ClipActivation named = member(name).activation;
  if (activation == ClipActivation::kUnstated)
    return cat("missing; there are weights of ", name,
               " of either kind: quick_gelu for OpenAI's and those trained further from them, gelu "
               "for most of open_clip's");
  if (named != ClipActivation::kUnstated && activation != named)
    return cat("must be quick_gelu or left out for ", name,
               ", which means it; the same model with gelu has a name of timm's, without "
               "`quickgelu`");
  return "";
}

std::unique_ptr<Backbone> ClipVitSpec::make() const {
  const std::string wrong = mistake();
  RELA_CHECK(wrong.empty(), ConfigError, "activation: ", wrong);
  return std::make_unique<VisionTransformer>(spec_of(*this));
}

int64_t ClipVitSpec::usual_image_size() const { return image_size.value_or(kImageSize); }

std::string ClipVitSpec::what_weights_do_not_show() const {
  return choice_name(clip_activations(), activation);
}

std::string ClipVitSpec::description() const {
  return cat(name, " of ", usual_image_size(), "-pixel images, ", what_weights_do_not_show(),
             projection ? ", projected" : "");
}

std::string ClipVitSpec::identity() const {
  return cat(name, '\n', usual_image_size(), '\n', what_weights_do_not_show(), '\n', projection);
}

void ClipVitSpec::read_shape(const WeightsFile& weights) {
  const WeightNames names = clip_vit_names(weights);
  const Member& m = member(name);
  if (const auto shape = stored_shape(weights, names.find("pos_embed"));
      shape && shape->rank() >= 2) {
    const auto grid = position_grid(shape->numel() / shape->back());
    if (grid) image_size = grid->side * m.patch;
  }
  // In a file of timm's, the head of other widths is a classifier.
  const auto head = stored_shape(weights, names.find("head.weight"));
  projection = head && head->rank() == 2 && (*head)[0] == m.projection;
}

LoadOptions ClipVitSpec::load_options(const WeightsFile& weights) const {
  LoadOptions options{.names = clip_vit_names(weights), .position = "pos_embed"};
  options.ignored_prefixes = options.names.ignored;
  options.ignored_prefixes.push_back(cat(classifier(), "."));
  return options;
}

std::string ClipVitSpec::fit_images(int64_t side) {
  const int64_t patch = member(name).patch;
  return fit_side(image_size, side, patch,
                  cat(name, " cuts images into patches of ", patch, " pixels"));
}

void describe_shape(ConfigTable& table, ClipVitSpec& spec) {
  describe_image_size(table, spec.image_size);
  table.choice<ClipActivation>("activation", spec.activation, clip_activations(),
                               "of CLIP's vision transformers; OpenAI's names, and timm's with "
                               "`quickgelu`, mean quick_gelu; with timm's others it must be said");
  table.boolean("projection", spec.projection,
                "CLIP's features are those that it compares with text, instead of the wider ones "
                "before the last linear map");
}

}  // namespace rela
