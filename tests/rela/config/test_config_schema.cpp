#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rela/config/experiment_config.h"
#include "runtime/io/config_table.h"
#include "runtime/io/json.h"
#include "tests/rela/config/config_support.h"

namespace rela {
namespace {

using testing::HasSubstr;

std::string schema_at(const std::string& path) {
  const JsonValue schema = parse_json(config_schema());
  const JsonValue* value = value_at(schema, path);
  return value == nullptr ? "nothing" : to_json_text(*value, JsonLayout::kCompact);
}

TEST(ConfigSchema, SaysTypeLimitsDefaultAndMeaningOfAKey) {
  EXPECT_EQ(schema_at("properties.optimizer.properties.lr"),
            R"({"description":"peak learning rate, before lr_scaling","type":"number",)"
            R"("exclusiveMinimum":0,"default":0.001})");
  EXPECT_EQ(schema_at("properties.device"),
            R"({"description":"`auto`: a usable GPU, else the CPU","enum":["auto","cpu","cuda"],)"
            R"("default":"auto"})");
  EXPECT_EQ(schema_at("properties.threads.anyOf"),
            R"([{"type":"integer","minimum":1,"maximum":4096},{"const":"auto"}])");
  EXPECT_EQ(schema_at("properties.rela.properties.prior.properties.normalize.anyOf"),
            R"([{"enum":["imagenet","clip","cifar10","half","none"]},{"type":"object",)"
            R"("additionalProperties":false,"properties":{)"
            R"("mean":{"type":"array","items":{"type":"number"},"minItems":3,"maxItems":3},)"
            R"("std":{"type":"array","items":{"type":"number","exclusiveMinimum":0},)"
            R"("minItems":3,"maxItems":3}},"required":["mean","std"]},{"type":"null"}])");
  EXPECT_EQ(schema_at("properties.augmentations.items.properties.crop_scale.items"),
            R"({"type":"number","exclusiveMinimum":0,"maximum":1})");
}

TEST(ConfigSchema, RequiresWhatTheReaderRequiresAndForbidsUnknownKeys) {
  EXPECT_EQ(schema_at("required"), R"(["method","data"])");
  EXPECT_EQ(schema_at("properties.data.required"), R"(["format"])");
  EXPECT_EQ(schema_at("oneOf"),
            R"([{"required":["epochs"],"properties":{"epochs":{"not":{"type":"null"}}}},)"
            R"({"required":["max_steps"],"properties":{"max_steps":{"not":{"type":"null"}}}}])");
  for (const char* section : {"", "properties.optimizer.", "properties.augmentations.items.",
                              "properties.augmentations.items.properties.blur."}) {
    EXPECT_EQ(schema_at(std::string(section) + "additionalProperties"), "false") << section;
    EXPECT_EQ(schema_at(std::string(section) + "properties._comment"), "true") << section;
  }
}

/// Keys of an object in the schema, but for the remark.
std::vector<std::string> keys_at(const std::string& path) {
  const JsonValue schema = parse_json(config_schema());
  std::vector<std::string> keys;
  for (const auto& [key, value] : *value_at(schema, path)->as<JsonValue::Object>())
    if (key != "_comment") keys.push_back(key);
  return keys;
}

TEST(ConfigSchema, EachFamilyOfBackbonesHasKeysOfItsOwn) {
  using testing::ElementsAre;
  const std::string families = "properties.backbone.oneOf.";
  EXPECT_EQ(schema_at("properties.backbone.properties"), "nothing");
  EXPECT_EQ(schema_at(families + "0.title"), R"("ResNets")");
  EXPECT_THAT(keys_at(families + "0.properties"),
              ElementsAre("name", "cifar_stem", "width", "init"));
  EXPECT_THAT(keys_at(families + "1.properties"),
              ElementsAre("name", "cifar_stem", "width", "init"));
  EXPECT_EQ(schema_at(families + "2.title"), R"("vision transformers")");
  EXPECT_THAT(keys_at(families + "2.properties"),
              testing::AllOf(testing::IsSupersetOf({"name", "image_size", "init"}),
                             testing::Not(testing::Contains("width"))));
  const size_t count = backbone_families().size();
  for (size_t i = 0; i < count; ++i)
    EXPECT_EQ(schema_at(cat(families, i, ".additionalProperties")), "false");
  EXPECT_EQ(schema_at(cat(families, count)), "nothing");
}

TEST(ConfigSchema, ABackbonesNameSaysItsFamily) {
  const std::string families = "properties.backbone.oneOf.";
  EXPECT_EQ(schema_at(families + "0.properties.name"),
            R"({"description":"network to train","enum":["resnet18","resnet34","resnet50",)"
            R"("resnet101"],"default":"resnet18"})");
  EXPECT_EQ(schema_at(families + "0.required"), "nothing");  // the default
  for (size_t i = 1; i < backbone_families().size(); ++i)
    EXPECT_EQ(schema_at(cat(families, i, ".required")), R"(["name"])");
  EXPECT_THAT(
      schema_at(families + "2.properties.name"),
      testing::AllOf(HasSubstr(R"("vit_tiny_patch4_32")"),
                     testing::Not(testing::AnyOf(HasSubstr("resnet"), HasSubstr("default")))));
}

/// Every key of the resolved config, lists by their first element.
void expect_documented(const JsonValue& value, const std::string& prefix, const std::string& text) {
  for (const auto& [key, member] : *value.as<JsonValue::Object>()) {
    const auto* items = member.as<JsonValue::Array>();
    const bool is_list = items != nullptr && items->front().as<JsonValue::Object>() != nullptr;
    if (is_list) {
      expect_documented(items->front(), prefix + key + "[].", text);
    } else if (member.as<JsonValue::Object>() != nullptr) {
      expect_documented(member, prefix + key + ".", text);
    } else {
      EXPECT_THAT(text, HasSubstr(cat("| `", prefix, key, "` | ")));
    }
  }
}

TEST(ConfigMarkdown, ListsEveryKeyWithWhatIsAllowed) {
  const std::string text = config_markdown();
  expect_documented(parse_json(to_resolved_json(ExperimentConfig())), "", text);
  EXPECT_THAT(text, HasSubstr("| `method` | one of \"byol\", \"rela_byol\", \"supervised\", "
                              "\"rela_supervised\" | required | | training method |\n"));
  EXPECT_THAT(text, HasSubstr("| `momentum.base_tau` | a number in [0, 1] | `0.99` | | "));
  EXPECT_THAT(text,
              HasSubstr("| `augmentations[].crop_scale` | [a, b], two numbers in (0, 1], a <= "
                        "b | `[0.08, 1.0]` | | "));
}

}  // namespace
}  // namespace rela
