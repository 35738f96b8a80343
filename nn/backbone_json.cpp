#include "nn/backbone_json.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"

namespace rela {
namespace {

constexpr const char* kArchitecture = "architecture";

void describe_init(ConfigTable& table, ConvInit& init) {
  table.choice<ConvInit>(
      "init", init,
      {{"fan_out_normal", ConvInit::kFanOutNormal},
       {"fan_in_uniform", ConvInit::kFanInUniform},
       {"fan_in_stem", ConvInit::kFanInStem}},
      "how convolutions start: N(0, 2 / fan_out), as torchvision's ResNets; U(-1, 1) / "
      "sqrt(fan_in), as a plain torch layer; `fan_in_stem`: the first one as a plain torch layer, "
      "the others as torchvision's, as in ReLA's released code");
}

/// What the key `name` takes.
struct NameRule {
  std::vector<std::string> names = backbone_names();
  bool is_required = false;
};

ConfigTable config_keys(BackboneSpec& spec, const NameRule& rule = {}) {
  ConfigTable table;
  std::visit(
      [&](auto& model) {
        table.name("name", model.name, rule.names, "network to train").is_required =
            rule.is_required;
        describe_shape(table, model);
        if constexpr (requires { model.frozen_patch_embedding; }) {
          table.boolean("frozen_patch_embedding", model.frozen_patch_embedding,
                        "a vision transformer's patch embedding keeps its random weights: learning "
                        "without labels is then stabler (MoCo v3). null: it does in a method "
                        "without labels");
          table.boolean("fixed_positions", model.fixed_positions,
                        "a vision transformer's position embedding is of sines and cosines instead "
                        "of learned (MoCo v3)");
        }
        if constexpr (requires { model.pooling; }) {
          using Pooling = VitSpec::Pooling;
          table.choice<Pooling>("pooling", model.pooling,
                                {{"token", Pooling::kToken}, {"mean", Pooling::kMean}},
                                "a vision transformer's features: `token`, the class token after "
                                "the last norm; `mean`, the norm of the mean of the patches");
          table.real(
              "drop_path", model.drop_path, Limits::from_to_below(0, 1),
              "stochastic depth: how probably training leaves out a branch of a vision "
              "transformer's last block in an image; falls linearly to 0 at the first block");
        }
        describe_init(table, model.init);
      },
      spec);
  return table;
}

ConfigTable shape_keys(BackboneSpec& spec) {
  ConfigTable table;
  std::visit([&](auto& model) { describe_shape(table, model); }, spec);
  return table;
}

class BackboneKeys : public ConfigVariant {
 public:
  explicit BackboneKeys(BackboneSpec& spec) : spec_(spec) {}

  bool choose(const JsonValue& section) override {
    const JsonValue* name = section.find("name");
    if (name == nullptr) return true;
    const std::vector<std::string> names = backbone_names();
    const auto* text = name->as<std::string>();
    if (text == nullptr || std::ranges::find(names, *text) == names.end()) return false;
    spec_ = backbone_named(*text);
    return true;
  }

  ConfigTable table() override { return config_keys(spec_); }

  ConfigTable sample() override {
    ConfigTable all;
    for (BackboneSpec& family : families_) all.append_missing(config_keys(family));
    return all;
  }

  std::vector<ConfigForm> forms() override {
    std::vector<ConfigForm> forms;
    for (BackboneSpec& family : families_) {
      const bool is_default = family.index() == spec_.index();
      forms.push_back(
          {family_title(family), config_keys(family, {names_of_family(family), !is_default})});
    }
    return forms;
  }

 private:
  BackboneSpec& spec_;
  std::vector<BackboneSpec> families_ = backbone_families();
};

}  // namespace

std::unique_ptr<ConfigVariant> make_backbone_keys(BackboneSpec& spec) {
  return std::make_unique<BackboneKeys>(spec);
}

JsonValue::Object backbone_to_json(const BackboneSpec& spec) {
  BackboneSpec copy = spec;  // a table refers to what it may change
  const JsonValue shape = write_config(shape_keys(copy));
  JsonValue::Object json{{kArchitecture, name_of(spec)}};
  for (const JsonValue::Member& member : *shape.as<JsonValue::Object>()) json.push_back(member);
  return json;
}

BackboneSpec backbone_from_json(const JsonValue& json, const std::string& file) {
  const auto value_of = [&](const std::string& key) {
    const JsonValue* value = json.find(key);
    RELA_CHECK(value != nullptr, WeightsError, file, ": ", key,
               " is missing; the folder is not an export of this program");
    return *value;
  };
  const JsonValue name = value_of(kArchitecture);
  RELA_CHECK(name.as<std::string>() != nullptr, WeightsError, file, ": ", kArchitecture,
             " must be a model's name; the folder is not an export of this program");
  BackboneSpec spec = backbone_named(*name.as<std::string>());
  const ConfigTable shape = shape_keys(spec);
  for (const ConfigEntry& entry : shape.entries()) {
    const ConfigComplaint complaint = entry.field()->read(value_of(entry.key), "");
    RELA_CHECK(complaint.message.empty(), WeightsError, file, ": ", entry.key, " ",
               complaint.message, "; the folder is not an export of this program");
  }
  if (auto* vit = std::get_if<VitSpec>(&spec)) vit->take_global_pool(json);
  return spec;
}

}  // namespace rela
