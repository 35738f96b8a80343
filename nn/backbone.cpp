#include "nn/backbone.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"

namespace rela {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

template <size_t... I>
std::vector<BackboneSpec> one_of_each(std::index_sequence<I...>) {
  return {BackboneSpec(std::in_place_index<I>)...};
}

bool is_named(const BackboneSpec& family, const std::string& name) {
  const std::vector<std::string> names = names_of_family(family);
  return std::ranges::find(names, name) != names.end();
}

[[noreturn]] void fail_unknown(const std::string& name) {
  throw ConfigError(
      cat("backbone.name: no model \"", name, "\"; available: ", joined(backbone_names())));
}

}  // namespace

std::vector<std::string> names_of_family(const BackboneSpec& family) {
  return std::visit([](const auto& spec) { return spec.names(); }, family);
}

std::string family_title(const BackboneSpec& family) {
  return std::visit([](const auto& spec) { return std::string(spec.title()); }, family);
}

std::string how_to_shrink(const BackboneSpec& family) {
  return std::visit([](const auto& spec) { return std::string(spec.how_to_shrink()); }, family);
}

std::vector<BackboneSpec> backbone_families() {
  return one_of_each(std::make_index_sequence<std::variant_size_v<BackboneSpec>>());
}

std::vector<std::string> backbone_names() {
  std::vector<std::string> all;
  for (const BackboneSpec& family : backbone_families()) {
    for (std::string& name : names_of_family(family)) all.push_back(std::move(name));
  }
  return all;
}

BackboneSpec backbone_named(const std::string& name) {
  for (BackboneSpec& spec : backbone_families()) {
    if (!is_named(spec, name)) continue;
    std::visit([&](auto& model) { model.take_name(name); }, spec);
    return spec;
  }
  fail_unknown(name);
}

std::unique_ptr<Backbone> make_backbone(const BackboneSpec& spec) {
  if (!is_named(spec, name_of(spec))) fail_unknown(name_of(spec));
  return std::visit([](const auto& model) { return model.make(); }, spec);
}

const std::string& name_of(const BackboneSpec& spec) {
  return std::visit([](const auto& model) -> const std::string& { return model.name; }, spec);
}

bool is_transformer(const BackboneSpec& spec) {
  return std::holds_alternative<VitSpec>(spec) || std::holds_alternative<ClipVitSpec>(spec);
}

ConvInit init_of(const BackboneSpec& spec) {
  return std::visit([](const auto& model) { return model.init; }, spec);
}

std::string describe(const BackboneSpec& spec) {
  return std::visit([](const auto& model) { return model.description(); }, spec);
}

std::string global_pool_of(const BackboneSpec& spec) {
  return std::visit([](const auto& model) { return std::string(model.global_pool()); }, spec);
}

std::string mistake_of(const BackboneSpec& spec) {
  return std::visit([](const auto& model) { return model.mistake(); }, spec);
}

std::string what_weights_do_not_show(const BackboneSpec& spec) {
  return std::visit([](const auto& model) { return model.what_weights_do_not_show(); }, spec);
}

std::string fit_images(BackboneSpec& spec, int64_t side) {
  return std::visit([&](auto& model) { return model.fit_images(side); }, spec);
}

std::string identity_of(const BackboneSpec& spec) {
  return std::visit([](const auto& model) { return model.identity(); }, spec);
}

}  // namespace rela
