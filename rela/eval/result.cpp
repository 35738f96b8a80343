#include "rela/eval/result.h"

#include "runtime/io/file.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

double share(int64_t part, int64_t total) {
  return total == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(total);
}

}  // namespace

double EvalResult::top1() const { return share(correct, total); }

JsonValue to_json(const EvalResult& result) {
  JsonValue::Object object;
  object.emplace_back("protocol", result.protocol);
  object.emplace_back("correct", result.correct);
  object.emplace_back("total", result.total);
  object.emplace_back("top1", result.top1());
  if (result.top5_correct) {
    object.emplace_back("top5_correct", *result.top5_correct);
    object.emplace_back("top5", share(*result.top5_correct, result.total));
  }
  object.emplace_back("settings", result.settings);
  if (!result.data.empty()) object.emplace_back("data", result.data);
  if (!result.weights_sha256.empty()) object.emplace_back("weights_sha256", result.weights_sha256);
  return JsonValue(std::move(object));
}

std::string name_of(const EvalResult& result) {
  const std::string text = to_json_text(
      JsonValue::Object{
          {"settings", result.settings}, {"data", result.data}, {"weights", result.weights_sha256}},
      JsonLayout::kCompact);
  return result.protocol + "-" +
         to_hex(content_hash(text.data(), static_cast<int64_t>(text.size())));
}

void write_result(const std::string& path, const EvalResult& result) {
  write_file_atomic(path, to_json_text(to_json(result), JsonLayout::kIndented) + "\n");
}

}  // namespace rela
