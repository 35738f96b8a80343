#include "nn/cifar_resnet_spec.h"

#include <algorithm>

#include "nn/resnet.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/config_table.h"

namespace rela {
namespace {

constexpr int64_t kWidth = 16;  // channels of the first stage
constexpr bool kCifarStem = true;

struct Member {
  const char* name;
  int64_t blocks;  // of each stage: n
};
constexpr Member kMembers[] = {{"resnet20_cifar", 3},
                               {"resnet32_cifar", 5},
                               {"resnet44_cifar", 7},
                               {"resnet56_cifar", 9},
                               {"resnet110_cifar", 18}};

}  // namespace

std::vector<std::string> CifarResNetSpec::names() {
  std::vector<std::string> names;
  for (const Member& member : kMembers) names.emplace_back(member.name);
  return names;
}

std::unique_ptr<Backbone> CifarResNetSpec::make() const {
  const Member& member = *std::ranges::find(kMembers, name, &Member::name);
  return std::make_unique<ResNet>(ResNet::Layout{.blocks = std::vector<int64_t>(3, member.blocks),
                                                 .width = kWidth,
                                                 .cifar_stem = kCifarStem,
                                                 .shortcut = Shortcut::kPadding});
}

LoadOptions CifarResNetSpec::load_options(const WeightsFile&) const {
  return {.ignored_prefixes = {cat(classifier(), ".")}};
}

std::string CifarResNetSpec::description() const { return cat(name, " of width ", kWidth); }

std::string CifarResNetSpec::identity() const { return cat(name, '\n', kWidth, '\n', kCifarStem); }

void describe_shape(ConfigTable& table, CifarResNetSpec& spec) {
  table.constant("cifar_stem", kCifarStem, spec.name);
  table.constant("width", kWidth, spec.name);
}

}  // namespace rela
