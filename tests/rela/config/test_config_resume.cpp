// Which keys a resumed run may change.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "rela/config/experiment_config.h"
#include "tests/rela/config/config_support.h"

namespace rela {
namespace {

using test::load_text;
using test::small_config;

const std::set<std::string> kFree{"schema_version",
                                  "device",
                                  "cuda_graph",
                                  "threads",
                                  "out",
                                  "epochs",
                                  "max_steps",
                                  "log_every_steps",
                                  "rela.prior.weights",
                                  "rela.targets_path",
                                  "data.bad_images",
                                  "data.cache_dir",
                                  "data.max_bad_fraction",
                                  "data.train_path",
                                  "data.val_path",
                                  "data.workers",
                                  "eval.knn_every_epochs",
                                  "eval.knn_k",
                                  "eval.knn_temperature",
                                  "eval.knn_train_images",
                                  "checkpoint.every_steps",
                                  "checkpoint.keep_last",
                                  "distributed.bucket_mb",
                                  "distributed.timeout_s"};

TEST(ConfigResume, TheDocumentationMarksTheFreeKeys) {
  std::set<std::string> marked;
  std::istringstream rows(config_markdown());
  for (std::string row; std::getline(rows, row);) {
    if (row.find("` | free | ") == row.npos && row.find("| required | free | ") == row.npos)
      continue;
    marked.insert(row.substr(3, row.find('`', 3) - 3));
  }
  EXPECT_EQ(marked, kFree);
}

/// Calls `visit` with each value that has no keys below it, and its dotted path.
template <class Visit>
void for_each_value(JsonValue& value, const std::string& path, const Visit& visit) {
  auto* object = value.as<JsonValue::Object>();
  if (object == nullptr) return visit(value, path);
  for (auto& [key, member] : *object)
    for_each_value(member, path.empty() ? key : cat(path, ".", key), visit);
}

TEST(ConfigResume, EveryKeyIsFreeOrBound) {
  const JsonValue before = parse_json(to_resolved_json(load_text(small_config())));
  JsonValue now = before;
  std::set<std::string> free;
  int keys = 0;
  for_each_value(now, "", [&](JsonValue& value, const std::string& path) {
    ++keys;
    const JsonValue kept = value;
    value = JsonValue("changed");
    const std::string differences = config_differences(before, now);
    if (differences.empty()) {
      free.insert(path);
    } else {
      EXPECT_EQ(differences, cat("\n  ", path, ": ", to_json_text(kept, JsonLayout::kCompact),
                                 " in the checkpoint, \"changed\" now"));
    }
    value = kept;
  });
  EXPECT_EQ(free, kFree);
  EXPECT_GT(keys, 60);
}

TEST(ConfigResume, TheBlurKernelIsBound) {
  const auto resolved = [](const std::vector<std::string>& settings) {
    return parse_json(to_resolved_json(load_text(small_config(), settings)));
  };
  const std::string differences =
      config_differences(resolved({}), resolved({"augmentations.0.blur.kernel=full"}));
  EXPECT_THAT(differences, testing::StartsWith("\n  augmentations: "));
  EXPECT_THAT(differences, testing::HasSubstr(R"("kernel":"full")"));
}

TEST(ConfigResume, AKeyThatTheCheckpointLacksDiffers) {
  const JsonValue before = parse_json(R"({"seed": 1, "retired": 2, "eval": {"knn_k": 3}})");
  const JsonValue now =
      parse_json(R"({"seed": 1, "backbone": {"width": 8}, "eval": {"knn_k": 4}})");
  EXPECT_EQ(config_differences(before, now), "\n  backbone.width: absent in the checkpoint, 8 now");
}

}  // namespace
}  // namespace rela
