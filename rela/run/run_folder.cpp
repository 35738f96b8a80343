#include "rela/run/run_folder.h"

#include <charconv>

#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

std::string joined(const std::string& prefix, const std::string& key) {
  return prefix.empty() ? key : prefix + "." + key;
}

bool is_scalar(const JsonValue& value) {
  return value.as<JsonValue::Object>() == nullptr && value.as<JsonValue::Array>() == nullptr;
}

void flatten(const JsonValue& value, const std::string& prefix, FlatJson& out) {
  if (const auto* object = value.as<JsonValue::Object>()) {
    for (const auto& [key, member] : *object) flatten(member, joined(prefix, key), out);
    return;
  }
  const auto* array = value.as<JsonValue::Array>();
  bool has_parts = false;
  if (array != nullptr) {
    for (const JsonValue& element : *array) has_parts = has_parts || !is_scalar(element);
  }
  if (has_parts) {
    for (size_t i = 0; i < array->size(); ++i)
      flatten((*array)[i], joined(prefix, std::to_string(i)), out);
    return;
  }
  const std::string* text = value.as<std::string>();
  out.emplace_back(prefix, text != nullptr ? *text : to_json_text(value, JsonLayout::kCompact));
}

FlatJson read_flat(const std::filesystem::path& path, std::vector<std::string>& problems) {
  FlatJson out;
  if (!std::filesystem::exists(path)) return out;
  try {
    flatten(parse_json(read_text_file(path.string())), "", out);
  } catch (const JsonError& e) {
    problems.push_back(path.filename().string() + " is not complete JSON: " + e.what());
  }
  return out;
}

}  // namespace

RunFolder read_run_folder(const std::filesystem::path& out_dir) {
  RunFolder run;
  const std::filesystem::path whole = std::filesystem::absolute(out_dir).lexically_normal();
  run.name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  run.log = read_run_log((out_dir / "metrics.jsonl").string());
  run.config = read_flat(out_dir / "config.resolved.json", run.problems);
  run.environment = read_flat(out_dir / "env.json", run.problems);
  run.status_table = read_flat(out_dir / RunStatus::kFile, run.problems);
  run.status = read_status(out_dir).value_or(RunStatus{});
  if (run.log.torn) run.problems.emplace_back("the last line of metrics.jsonl is torn");
  if (const size_t bad = run.log.bad_lines.size(); bad > 0) {
    run.problems.push_back("lines of metrics.jsonl that are not events: " + std::to_string(bad) +
                           ", the first is line " + std::to_string(run.log.bad_lines.front()));
  }
  return run;
}

std::string value_at(const FlatJson& json, std::string_view key) {
  for (const auto& [name, value] : json) {
    if (name == key) return value;
  }
  return "";
}

int64_t integer_at(const FlatJson& json, std::string_view key, int64_t otherwise) {
  const std::string text = value_at(json, key);
  int64_t value = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : otherwise;
}

}  // namespace rela
