#include "rela/experiments/table.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace rela {
namespace {

constexpr size_t kMostRuns = 1000;

class TextField : public ConfigField {
 public:
  explicit TextField(std::string& value) : value_(value) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* text = value.as<std::string>();
    if (text == nullptr) return {"must be " + allowed()};
    value_ = *text;
    return {};
  }
  JsonValue write() const override { return JsonValue(value_); }
  std::string allowed() const override { return "text"; }
  JsonValue::Object schema() const override { return {{"type", "string"}}; }

 private:
  std::string& value_;
};

class RunNameField : public ConfigField {
 public:
  explicit RunNameField(std::string& value) : value_(value) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* text = value.as<std::string>();
    if (text == nullptr || !is_run_name(*text)) return {"must be " + allowed()};
    value_ = *text;
    return {};
  }
  JsonValue write() const override { return JsonValue(value_); }
  std::string allowed() const override {
    return "a name of at most 100 letters, digits, '.', '_' and '-' that begins with a letter or a "
           "digit";
  }
  JsonValue::Object schema() const override {
    return {{"type", "string"}, {"pattern", "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"}};
  }

 private:
  std::string& value_;
};

class BaseField : public ConfigField {
 public:
  explicit BaseField(BaseConfig& value) : value_(value) {}
  ConfigComplaint read(const JsonValue& value, const std::string& folder) override {
    const auto* text = value.as<std::string>();
    if (text != nullptr && !text->empty()) {
      value_ = {.path = absolute_path(folder, *text)};
    } else if (value.as<JsonValue::Object>() != nullptr) {
      value_ = {.path = "", .in_table = value};
    } else {
      return {"must be " + allowed()};
    }
    return {};
  }
  JsonValue write() const override {
    return value_.path.empty() ? value_.in_table : JsonValue(value_.path);
  }
  std::string allowed() const override { return "a path or a config"; }
  JsonValue::Object schema() const override {
    return {{"type", JsonValue::Array{"string", "object"}}};
  }

 private:
  BaseConfig& value_;
};

/// Keys of another config with their values, checked when that config is built.
class SettingsField : public ConfigField {
 public:
  explicit SettingsField(JsonValue::Object& value) : value_(value) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* object = value.as<JsonValue::Object>();
    if (object == nullptr) return {"must be " + allowed()};
    value_ = *object;
    return {};
  }
  JsonValue write() const override { return JsonValue(value_); }
  std::string allowed() const override { return "an object of dotted config keys"; }
  JsonValue::Object schema() const override { return {{"type", "object"}}; }

 private:
  JsonValue::Object& value_;
};

/// An array of scalars; the kind of scalar is read, and checked, by `element`.
template <class T>
class ArrayField : public ConfigField {
 public:
  using Element = std::optional<T> (*)(const JsonValue&);
  ArrayField(std::vector<T>& value, Element element, std::string allowed)
      : value_(value), element_(element), allowed_(std::move(allowed)) {}

  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* array = value.as<JsonValue::Array>();
    if (array == nullptr) return {"must be " + allowed()};
    std::vector<T> read;
    for (const JsonValue& item : *array) {
      std::optional<T> element = element_(item);
      if (!element) return {"must be " + allowed()};
      if (std::count(read.begin(), read.end(), *element) > 0) return {"must hold nothing twice"};
      read.push_back(*std::move(element));
    }
    value_ = std::move(read);
    return {};
  }
  JsonValue write() const override {
    JsonValue::Array array;
    for (const T& item : value_) array.emplace_back(item);
    return JsonValue(std::move(array));
  }
  std::string allowed() const override { return allowed_; }
  JsonValue::Object schema() const override { return {{"type", "array"}, {"uniqueItems", true}}; }

 private:
  std::vector<T>& value_;
  Element element_;
  std::string allowed_;
};

std::optional<double> ratio_of(const JsonValue& value) {
  double ratio = 0;
  if (const auto* real = value.as<double>()) ratio = *real;
  if (const auto* integer = value.as<int64_t>()) ratio = static_cast<double>(*integer);
  return ratio > 0 && ratio <= 1 ? std::optional(ratio) : std::nullopt;
}

std::optional<int64_t> seed_of(const JsonValue& value) {
  const auto* seed = value.as<int64_t>();
  return seed != nullptr && *seed >= 0 ? std::optional(*seed) : std::nullopt;
}

std::optional<std::string> protocol_of(const JsonValue& value) {
  const auto* name = value.as<std::string>();
  const auto& known = table_protocols();
  const bool is_known = name != nullptr && std::count(known.begin(), known.end(), *name) > 0;
  return is_known ? std::optional(*name) : std::nullopt;
}

}  // namespace

const std::vector<std::string>& table_protocols() {
  static const std::vector<std::string> protocols{"knn", "linear"};
  return protocols;
}

bool is_run_name(const std::string& word) {
  const auto is_plain = [](unsigned char c) { return c < 128 && std::isalnum(c) != 0; };
  constexpr size_t kLongest = 100;  // names of files are made from it
  if (word.empty() || word.size() > kLongest || !is_plain(static_cast<unsigned char>(word.front())))
    return false;
  return std::all_of(word.begin(), word.end(), [&](char c) {
    return is_plain(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

void describe(ConfigTable& table, RunSpec& run) {
  table.field("name", std::make_unique<RunNameField>(run.name), "name of the run").is_required =
      true;
  table.field("set", std::make_unique<SettingsField>(run.set),
              "keys of the config that these runs change; relative paths start at the table");
  table.field(
      "ratios",
      std::make_unique<ArrayField<double>>(run.ratios, ratio_of, "an array of numbers in (0, 1]"),
      "`data.ratio` of the runs; none: the config's");
  table.field(
      "seeds",
      std::make_unique<ArrayField<int64_t>>(run.seeds, seed_of, "an array of integers >= 0"),
      "`seed` of the runs; none: the config's");
}

void describe(ConfigTable& table, ExperimentTable& experiment) {
  table.integer("schema_version", experiment.schema_version, Limits::between(1, 1),
                "version of this file's keys");
  table.field("title", std::make_unique<TextField>(experiment.title), "heading of the results");
  table.field("note", std::make_unique<TextField>(experiment.note),
              "what a reader of the numbers has to know; stands below them");
  table
      .field("base", std::make_unique<BaseField>(experiment.base),
             "config that all runs start from: a file, or the config itself")
      .is_required = true;
  table.field("set", std::make_unique<SettingsField>(experiment.set),
              "keys of the config that all runs change");
  table.list("runs", experiment.runs, {1, kMostRuns}, "what to compare").is_required = true;
  table.field("evaluate",
              std::make_unique<ArrayField<std::string>>(experiment.evaluate, protocol_of,
                                                        R"(an array of "knn", "linear")"),
              "what `evaluate` measures on every finished run, beside the kNN of the run itself");
}

std::string table_markdown() {
  ExperimentTable defaults;
  ConfigTable table;
  describe(table, defaults);
  return config_markdown_of(table);
}

}  // namespace rela
