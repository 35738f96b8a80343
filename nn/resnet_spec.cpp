#include "nn/resnet_spec.h"

#include <algorithm>

#include "nn/resnet.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/config_table.h"
#include "runtime/io/weights_file.h"

namespace rela {
namespace {

struct Member {
  const char* name;
  std::vector<int64_t> blocks;  // per stage
  ResidualBlock::Kind block = ResidualBlock::Kind::kBasic;
};

const std::vector<Member>& members() {
  static const std::vector<Member> all{
      {"resnet18", {2, 2, 2, 2}},
      {"resnet34", {3, 4, 6, 3}},
      {"resnet50", {3, 4, 6, 3}, ResidualBlock::Kind::kBottleneck},
      {"resnet101", {3, 4, 23, 3}, ResidualBlock::Kind::kBottleneck}};
  return all;
}

}  // namespace

std::vector<std::string> ResNetSpec::names() {
  std::vector<std::string> names;
  for (const Member& member : members()) names.emplace_back(member.name);
  return names;
}

std::unique_ptr<Backbone> ResNetSpec::make() const {
  RELA_CHECK(width >= 1, ConfigError, "backbone.width: ", width, "; at least 1");
  const Member& member = *std::ranges::find(members(), name, &Member::name);
  return std::make_unique<ResNet>(ResNet::Layout{
      .blocks = member.blocks, .width = width, .cifar_stem = cifar_stem, .block = member.block});
}

LoadOptions ResNetSpec::load_options(const WeightsFile&) const {
  return {.ignored_prefixes = {cat(classifier(), ".")}};
}

std::string ResNetSpec::description() const { return cat(name, " of width ", width); }

std::string ResNetSpec::identity() const { return cat(name, '\n', width, '\n', cifar_stem); }

void ResNetSpec::read_shape(const WeightsFile& weights) {
  const WeightsEntry* first = weights.find("conv1.weight");  // [width, 3, side, side]
  if (first == nullptr || first->shape.rank() != 4 || first->shape[0] < 1) return;
  width = first->shape[0];
  cifar_stem = first->shape[3] == 3;
}

void describe_shape(ConfigTable& table, ResNetSpec& spec) {
  table.boolean("cifar_stem", spec.cifar_stem,
                "3x3 stride-1 first convolution and no max-pool, for small images");
  table.integer("width", spec.width, Limits::between(1, 4096),
                "channels of the first stage's 3x3 convolutions; each stage doubles them");
}

}  // namespace rela
