#include <algorithm>
#include <cmath>
#include <filesystem>

#include "runtime/io/config_table.h"
#include "runtime/io/nearest.h"

namespace rela {
namespace {

std::string number_text(double x) {
  const bool is_whole = x == std::floor(x) && std::abs(x) < 1e15;
  return is_whole ? std::to_string(static_cast<int64_t>(x))
                  : to_json_text(JsonValue(x), JsonLayout::kCompact);
}

/// " in [0, 1]", " >= 1", " > 0" or nothing.
std::string limits_text(const Limits& limits) {
  if (std::isfinite(limits.max)) {
    return cat(" in ", limits.excludes_min ? "(" : "[", number_text(limits.min), ", ",
               number_text(limits.max), limits.excludes_max ? ")" : "]");
  }
  if (!std::isfinite(limits.min)) return "";
  return cat(limits.excludes_min ? " > " : " >= ", number_text(limits.min));
}

JsonValue text_value(const char* text) { return JsonValue(text); }

JsonValue number_value(double x) {
  return x == std::floor(x) ? JsonValue(static_cast<int64_t>(x)) : JsonValue(x);
}

void add_limits(JsonValue::Object& schema, const Limits& limits) {
  if (std::isfinite(limits.min)) {
    schema.emplace_back(limits.excludes_min ? "exclusiveMinimum" : "minimum",
                        number_value(limits.min));
  }
  if (std::isfinite(limits.max)) {
    schema.emplace_back(limits.excludes_max ? "exclusiveMaximum" : "maximum",
                        number_value(limits.max));
  }
}

std::optional<double> real_of(const JsonValue& value) {
  if (const auto* real = value.as<double>()) return *real;
  if (const auto* integer = value.as<int64_t>()) return static_cast<double>(*integer);
  if (const auto* large = value.as<uint64_t>()) return static_cast<double>(*large);
  return std::nullopt;
}

class BooleanField : public ConfigField {
 public:
  explicit BooleanField(bool& value) : value_(value) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* boolean = value.as<bool>();
    if (boolean == nullptr) return {"must be " + allowed()};
    value_ = *boolean;
    return {};
  }
  JsonValue write() const override { return JsonValue(value_); }
  std::string allowed() const override { return "true or false"; }
  JsonValue::Object schema() const override { return {{"type", text_value("boolean")}}; }

 private:
  bool& value_;
};

class IntegerField : public ConfigField {
 public:
  IntegerField(int64_t& value, Limits limits) : value_(value), limits_(limits) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* integer = value.as<int64_t>();
    if (value.as<uint64_t>() != nullptr && limits_.hold(static_cast<double>(INT64_MAX))) {
      return {cat("must be at most ", INT64_MAX)};
    }
    if (integer == nullptr || !limits_.hold(static_cast<double>(*integer))) {
      return {"must be " + allowed()};
    }
    value_ = *integer;
    return {};
  }
  JsonValue write() const override { return JsonValue(value_); }
  std::string allowed() const override {
    if (limits_.min == limits_.max) return number_text(limits_.min);
    return "an integer" + limits_text(limits_);
  }
  JsonValue::Object schema() const override {
    JsonValue::Object schema{{"type", text_value("integer")}};
    add_limits(schema, limits_);
    return schema;
  }

 private:
  int64_t& value_;
  Limits limits_;
};

/// Neither so small that it becomes 0 nor infinite.
bool fits_f32(double x) {
  const auto narrow = static_cast<float>(x);
  return std::isfinite(narrow) &&
         (x == 0) == (std::abs(narrow) < std::numeric_limits<float>::min());
}

class RealField : public ConfigField {
 public:
  RealField(double& value, Limits limits) : value_(value), limits_(limits) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const std::optional<double> real = real_of(value);
    if (!real || !limits_.hold(*real)) return {"must be " + allowed()};
    if (!fits_f32(*real))
      return {"must be 0 or between 1e-38 and 3e38 in size: kernels compute in f32"};
    value_ = *real;
    return {};
  }
  JsonValue write() const override { return JsonValue(value_); }
  std::string allowed() const override { return "a number" + limits_text(limits_); }
  JsonValue::Object schema() const override {
    JsonValue::Object schema{{"type", text_value("number")}};
    add_limits(schema, limits_);
    return schema;
  }

 private:
  double& value_;
  Limits limits_;
};

/// A number, or true or false, or the word that leaves it unset.
template <class T, class NumberField>
class OpenField : public ConfigField {
 public:
  template <class... Limit>
  OpenField(std::optional<T>& value, Unset unset, Limit... limits)
      : value_(value), unset_(unset), field_(number_, limits...) {}
  ConfigComplaint read(const JsonValue& value, const std::string& folder) override {
    if (is_unset(value)) {
      value_.reset();
      return {};
    }
    if (!field_.read(value, folder).message.empty()) return {"must be " + allowed()};
    value_ = number_;
    return {};
  }
  JsonValue write() const override {
    if (value_) return JsonValue(*value_);
    return unset_ == Unset::kAuto ? JsonValue("auto") : JsonValue();
  }
  std::string allowed() const override {
    return field_.allowed() + (unset_ == Unset::kAuto ? " or \"auto\"" : " or null");
  }
  JsonValue::Object schema() const override {
    JsonValue unset(unset_ == Unset::kAuto ? JsonValue::Object{{"const", JsonValue("auto")}}
                                           : JsonValue::Object{{"type", text_value("null")}});
    return {{"anyOf", JsonValue(JsonValue::Array{JsonValue(field_.schema()), unset})}};
  }

 private:
  bool is_unset(const JsonValue& value) const {
    if (unset_ == Unset::kNull) return value.is_null();
    const auto* text = value.as<std::string>();
    return text != nullptr && *text == "auto";
  }
  std::optional<T>& value_;
  Unset unset_;
  T number_{};
  NumberField field_;
};

class PairField : public ConfigField {
 public:
  PairField(double& first, double& second, PairOrder order, Limits limits)
      : first_(first), second_(second), order_(order), limits_(limits) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* array = value.as<JsonValue::Array>();
    if (array == nullptr || array->size() != 2) return {"must be " + allowed()};
    const std::optional<double> first = real_of((*array)[0]);
    const std::optional<double> second = real_of((*array)[1]);
    const bool holds = first && second && limits_.hold(*first) && limits_.hold(*second) &&
                       (order_ == PairOrder::kAny || *first <= *second);
    if (!holds) return {"must be " + allowed()};
    first_ = *first;
    second_ = *second;
    return {};
  }
  JsonValue write() const override {
    return JsonValue(JsonValue::Array{JsonValue(first_), JsonValue(second_)});
  }
  std::string allowed() const override {
    return cat("[a, b], two numbers", limits_text(limits_),
               order_ == PairOrder::kAscending ? ", a <= b" : "");
  }
  JsonValue::Object schema() const override {
    JsonValue::Object item{{"type", text_value("number")}};
    add_limits(item, limits_);
    return {{"type", text_value("array")},
            {"items", JsonValue(std::move(item))},
            {"minItems", JsonValue(int64_t{2})},
            {"maxItems", JsonValue(int64_t{2})}};
  }

 private:
  double& first_;
  double& second_;
  PairOrder order_;
  Limits limits_;
};

class ConstantField : public ConfigField {
 public:
  ConstantField(JsonValue value, std::string owner)
      : value_(std::move(value)), owner_(std::move(owner)) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    if (text_of(value) != text_of(value_)) return {"must be " + allowed()};
    return {};
  }
  JsonValue write() const override { return value_; }
  std::string allowed() const override { return cat(text_of(value_), " or left out for ", owner_); }
  JsonValue::Object schema() const override { return {{"const", value_}}; }

 private:
  static std::string text_of(const JsonValue& value) {
    return to_json_text(value, JsonLayout::kCompact);
  }

  JsonValue value_;
  std::string owner_;
};

class PathField : public ConfigField {
 public:
  explicit PathField(std::string& value) : value_(value) {}
  ConfigComplaint read(const JsonValue& value, const std::string& folder) override {
    if (value.is_null()) {
      value_.clear();
      return {};
    }
    const auto* text = value.as<std::string>();
    const bool is_path = text != nullptr && !text->empty() && text->find('\0') == text->npos;
    if (!is_path) return {"must be " + allowed()};
    value_ = absolute_path(folder, *text);
    return {};
  }
  JsonValue write() const override { return value_.empty() ? JsonValue() : JsonValue(value_); }
  std::string allowed() const override { return "a path or null"; }
  JsonValue::Object schema() const override {
    return {{"type", JsonValue(JsonValue::Array{text_value("string"), text_value("null")})}};
  }
  bool takes_text() const override { return true; }
  bool is_path() const override { return true; }

 private:
  std::string& value_;
};

}  // namespace

std::string absolute_path(const std::string& folder, const std::string& relative) {
  std::error_code failure;
  const std::filesystem::path path =
      std::filesystem::absolute(std::filesystem::path(folder) / relative, failure)
          .lexically_normal();
  RELA_CHECK(!failure, IoError, relative, ": the folder that this program was started in is gone (",
             failure.message(), "); change to one that exists, or give an absolute path");
  return (path.has_filename() ? path : path.parent_path()).string();
}

/// One of several names.
class ChoiceField : public ConfigField {
 public:
  explicit ChoiceField(ConfigTable::NamedValues values) : values_(std::move(values)) {}
  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    const auto* text = value.as<std::string>();
    if (text == nullptr) return {"must be " + allowed()};
    const auto found = std::find(values_.names.begin(), values_.names.end(), *text);
    if (found == values_.names.end()) {
      return {"must be " + allowed(), nearest_word(*text, values_.names)};
    }
    values_.set(static_cast<size_t>(found - values_.names.begin()));
    return {};
  }
  JsonValue write() const override { return JsonValue(values_.names[values_.get()]); }
  std::string allowed() const override {
    std::string text = values_.names.size() == 1 ? "" : "one of ";
    for (size_t i = 0; i < values_.names.size(); ++i) {
      text += cat(i == 0 ? "" : ", ", '"', values_.names[i], '"');
    }
    return text;
  }
  JsonValue::Object schema() const override {
    JsonValue::Array names;
    for (const std::string& name : values_.names) names.emplace_back(name);
    return {{"enum", JsonValue(std::move(names))}};
  }
  bool takes_text() const override { return true; }

 private:
  ConfigTable::NamedValues values_;
};

ConfigEntry& ConfigTable::add(const char* key, Doc doc, ConfigEntry::Content content) {
  entries_.push_back({key, doc, std::move(content)});
  return entries_.back();
}

ConfigEntry& ConfigTable::add_choice(const char* key, NamedValues values, Doc doc) {
  return add(key, doc, std::make_unique<ChoiceField>(std::move(values)));
}

ConfigEntry& ConfigTable::boolean(const char* key, bool& value, Doc doc) {
  return add(key, doc, std::make_unique<BooleanField>(value));
}

ConfigEntry& ConfigTable::boolean(const char* key, std::optional<bool>& value, Doc doc) {
  return add(key, doc, std::make_unique<OpenField<bool, BooleanField>>(value, Unset::kNull));
}

ConfigEntry& ConfigTable::integer(const char* key, int64_t& value, Limits limits, Doc doc) {
  return add(key, doc, std::make_unique<IntegerField>(value, limits));
}

ConfigEntry& ConfigTable::integer(const char* key, std::optional<int64_t>& value, Unset unset,
                                  Limits limits, Doc doc) {
  return add(key, doc, std::make_unique<OpenField<int64_t, IntegerField>>(value, unset, limits));
}

ConfigEntry& ConfigTable::real(const char* key, double& value, Limits limits, Doc doc) {
  return add(key, doc, std::make_unique<RealField>(value, limits));
}

ConfigEntry& ConfigTable::real(const char* key, std::optional<double>& value, Limits limits,
                               Doc doc) {
  return add(key, doc, std::make_unique<OpenField<double, RealField>>(value, Unset::kNull, limits));
}

ConfigEntry& ConfigTable::pair(const char* key, double& first, double& second, PairOrder order,
                               Limits limits, Doc doc) {
  return add(key, doc, std::make_unique<PairField>(first, second, order, limits));
}

ConfigEntry& ConfigTable::constant(const char* key, JsonValue value, const std::string& owner) {
  return add(key, "", std::make_unique<ConstantField>(std::move(value), owner));
}

ConfigEntry& ConfigTable::field(const char* key, std::unique_ptr<ConfigField> field, Doc doc) {
  return add(key, doc, std::move(field));
}

ConfigEntry& ConfigTable::path(const char* key, std::string& value, Doc doc) {
  return add(key, doc, std::make_unique<PathField>(value));
}

ConfigEntry& ConfigTable::name(const char* key, std::string& value,
                               const std::vector<std::string>& names, Doc doc) {
  NamedValues values;
  values.names = names;
  values.get = [&value, names] {
    return static_cast<size_t>(std::find(names.begin(), names.end(), value) - names.begin());
  };
  values.set = [&value, names](size_t i) { value = names[i]; };
  return add_choice(key, std::move(values), doc);
}

ConfigEntry& ConfigTable::section(const char* key, ConfigTable&& table, Doc doc) {
  return add(key, doc, std::make_unique<ConfigTable>(std::move(table)));
}

ConfigEntry& ConfigTable::variant(const char* key, std::unique_ptr<ConfigVariant> variant,
                                  Doc doc) {
  return add(key, doc, std::move(variant));
}

void ConfigTable::append_missing(ConfigTable&& other) {
  for (ConfigEntry& entry : other.entries_) {
    if (find(entry.key) == nullptr) entries_.push_back(std::move(entry));
  }
}

const ConfigEntry* ConfigTable::find(const std::string& key) const {
  for (const ConfigEntry& entry : entries_) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

}  // namespace rela
