#pragma once
// One description of a config struct drives everything done with it: reading, overriding, writing,
// its JSON Schema and its documentation. A struct is described once, by a function found by
// argument-dependent lookup:
//
//   void describe(ConfigTable& table, OptimizerConfig& c) {
//     table.real("lr", c.lr, Limits::above(0), "learning rate");
//   }
//
// Defaults are the values in the struct when it is described.

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/choice.h"
#include "runtime/io/json.h"

namespace rela {

/// Range of a number.
struct Limits {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool excludes_min = false;
  bool excludes_max = false;

  static Limits above(double min) { return {.min = min, .excludes_min = true}; }
  static Limits at_least(double min) { return {.min = min}; }
  static Limits between(double min, double max) { return {.min = min, .max = max}; }
  static Limits above_up_to(double min, double max) {
    return {.min = min, .max = max, .excludes_min = true};
  }
  static Limits from_to_below(double min, double max) {
    return {.min = min, .max = max, .excludes_max = true};
  }

  bool hold(double x) const {
    return (excludes_min ? x > min : x >= min) && (excludes_max ? x < max : x <= max);
  }
};

/// What is wrong with a value; no message: it is fine.
struct ConfigComplaint {
  std::string message;
  std::string nearest{};  // the allowed value that may have been meant
};

/// A value of a config: its type, its limits, and the variable that stores it.
class ConfigField {
 public:
  virtual ~ConfigField() = default;
  /// Stores the value if it is allowed. Relative paths start at `folder`.
  virtual ConfigComplaint read(const JsonValue& value, const std::string& folder) = 0;
  virtual JsonValue write() const = 0;
  /// "a number > 0"
  virtual std::string allowed() const = 0;
  /// JSON Schema keywords of the value.
  virtual JsonValue::Object schema() const = 0;
  /// Whether an override's text is the value verbatim, even if it parses as JSON.
  virtual bool takes_text() const { return false; }
  /// Whether the text is a path, relative to a folder.
  virtual bool is_path() const { return false; }
};

class ConfigTable;

/// A list of structs that share one description.
class ConfigList {
 public:
  ConfigList(size_t min_size, size_t max_size) : min_size_(min_size), max_size_(max_size) {}
  virtual ~ConfigList() = default;
  size_t min_size() const { return min_size_; }
  size_t max_size() const { return max_size_; }
  virtual size_t size() const = 0;
  /// Resizes to `size` elements, all with their defaults.
  virtual void reset(size_t size) = 0;
  virtual ConfigTable at(size_t index) = 0;
  /// The table of an element with its defaults.
  virtual ConfigTable sample() = 0;

 private:
  size_t min_size_;
  size_t max_size_;
};

struct ConfigForm;

/// A section that takes one of several forms, each with keys of its own. Its key `name` says which.
class ConfigVariant {
 public:
  virtual ~ConfigVariant() = default;
  /// Takes the form that the section names, with its defaults; keeps its form if the section names
  /// none. False: the name belongs to no form.
  virtual bool choose(const JsonValue& section) = 0;
  /// The keys of the present form.
  virtual ConfigTable table() = 0;
  /// The keys of all forms with their defaults; a key that several have as in the first of them.
  virtual ConfigTable sample() = 0;
  /// All forms, with their defaults.
  virtual std::vector<ConfigForm> forms() = 0;
};

/// One key of a table.
struct ConfigEntry {
  using Content = std::variant<std::unique_ptr<ConfigField>, std::unique_ptr<ConfigTable>,
                               std::unique_ptr<ConfigList>, std::unique_ptr<ConfigVariant>>;
  std::string key;
  std::string doc;
  Content content;
  bool is_required = false;
  /// Whether a resumed run may change it, and all keys below it: it does not affect the numbers of
  /// later steps, or is meant to.
  bool is_free_on_resume = false;

  ConfigField* field() const { return get<ConfigField>(); }
  ConfigTable* section() const { return get<ConfigTable>(); }
  ConfigList* list() const { return get<ConfigList>(); }
  ConfigVariant* variant() const { return get<ConfigVariant>(); }

 private:
  template <class T>
  T* get() const {
    const auto* held = std::get_if<std::unique_ptr<T>>(&content);
    return held == nullptr ? nullptr : held->get();
  }
};

/// How a config leaves a number unset.
enum class Unset : uint8_t { kNull, kAuto };

/// The required order of the two numbers of a pair.
enum class PairOrder : uint8_t { kAny, kAscending };

class ConfigTable {
 public:
  using Doc = const char*;

  ConfigEntry& boolean(const char* key, bool& value, Doc doc);
  /// null means unset.
  ConfigEntry& boolean(const char* key, std::optional<bool>& value, Doc doc);
  ConfigEntry& integer(const char* key, int64_t& value, Limits limits, Doc doc);
  ConfigEntry& integer(const char* key, std::optional<int64_t>& value, Unset unset, Limits limits,
                       Doc doc);
  ConfigEntry& real(const char* key, double& value, Limits limits, Doc doc);
  /// null means unset.
  ConfigEntry& real(const char* key, std::optional<double>& value, Limits limits, Doc doc);
  /// [first, second]
  ConfigEntry& pair(const char* key, double& first, double& second, PairOrder order, Limits limits,
                    Doc doc);
  /// A file or folder, made absolute; null means none, stored as "".
  ConfigEntry& path(const char* key, std::string& value, Doc doc);
  /// One of the given texts, stored verbatim.
  ConfigEntry& name(const char* key, std::string& value, const std::vector<std::string>& names,
                    Doc doc);
  /// Several names may map to one value; the first is written.
  template <class E>
  ConfigEntry& choice(const char* key, E& value, const std::vector<Choice<E>>& choices, Doc doc);
  /// A value that `owner` fixes: it may be left out, and is written.
  ConfigEntry& constant(const char* key, JsonValue value, const std::string& owner);
  /// A value with a custom field type.
  ConfigEntry& field(const char* key, std::unique_ptr<ConfigField> field, Doc doc);
  template <class T>
  ConfigEntry& section(const char* key, T& value, Doc doc);
  ConfigEntry& section(const char* key, ConfigTable&& table, Doc doc);
  ConfigEntry& variant(const char* key, std::unique_ptr<ConfigVariant> variant, Doc doc);
  /// A list of min_size to max_size structs.
  template <class T>
  ConfigEntry& list(const char* key, std::vector<T>& items, std::pair<size_t, size_t> sizes,
                    Doc doc);
  /// Exactly one of these keys must have a value.
  void exactly_one_of(std::vector<std::string> keys) { exactly_one_of_ = std::move(keys); }

  /// Appends the keys of another table that this one lacks.
  void append_missing(ConfigTable&& other);

  const std::vector<ConfigEntry>& entries() const { return entries_; }
  const ConfigEntry* find(const std::string& key) const;
  const std::vector<std::string>& exactly_one_of() const { return exactly_one_of_; }

 private:
  struct NamedValues {
    std::vector<std::string> names;
    std::function<size_t()> get;  // returns the index of the current value's name
    std::function<void(size_t)> set;
  };
  ConfigEntry& add(const char* key, Doc doc, ConfigEntry::Content content);
  ConfigEntry& add_choice(const char* key, NamedValues values, Doc doc);
  friend class ChoiceField;

  std::vector<ConfigEntry> entries_;
  std::vector<std::string> exactly_one_of_;
};

/// One form of a variant.
struct ConfigForm {
  std::string title;  // "vision transformers"
  ConfigTable table;  // its `name` is one that chooses this form, and required if not the default
};

/// Mistakes, one line each: "<dotted path>: <message> (got <value>) at line <n>; did you mean
/// <nearest>?"
class ConfigIssues {
 public:
  /// `value` is the one in the config; null if there is none.
  void add(const std::string& path, const ConfigComplaint& complaint, const JsonValue* value);
  bool empty() const { return issues_.empty(); }
  /// All issues, in line order.
  std::string text() const;

 private:
  struct Issue {
    int line;
    std::string text;
  };
  std::vector<Issue> issues_;
};

/// Names the key that may have been meant, or else lists all keys.
ConfigComplaint unknown_key_complaint(const ConfigTable& table, const std::string& key);

/// Reads a document into the structs that the table describes. Relative paths are relative to
/// `folder`, those from overrides to the current folder. Keys "_comment", and "$schema" at the top,
/// are skipped.
void read_config(const ConfigTable& table, const JsonValue& document, const std::string& folder,
                 ConfigIssues& issues);

/// Puts "key.path=value" into the document. Elements of lists are numbers from 0:
/// "augmentations.0.hflip=0".
void apply_override(JsonValue& document, const ConfigTable& table, const std::string& assignment,
                    ConfigIssues& issues);

/// Puts a value at a dotted path into the document. It keeps its line number; relative paths in it
/// start at `folder`, whatever folder the rest of the document belongs to.
void apply_setting(JsonValue& document, const ConfigTable& table, const JsonValue::Member& setting,
                   const std::string& folder, ConfigIssues& issues);

/// The value at a dotted path; null when there is none.
const JsonValue* value_at(const JsonValue& document, const std::string& path);

/// `relative` resolved against `folder`, without dot segments or a trailing slash.
std::string absolute_path(const std::string& folder, const std::string& relative);

/// Every key with its current value.
JsonValue write_config(const ConfigTable& table);

/// A key whose values in two documents differ.
struct ConfigDifference {
  std::string key;     // dotted
  std::string before;  // compact JSON, or "absent"
  std::string now;
};
/// Keys that a resumed run may not change, and those that it may.
enum class ResumeKeys : uint8_t { kBound, kFree };
/// The differences in the keys of `now` of that kind, by key. A list is one value; a key that the
/// table does not know may not change.
std::vector<ConfigDifference> resume_differences(const ConfigTable& table, const JsonValue& before,
                                                 const JsonValue& now,
                                                 ResumeKeys keys = ResumeKeys::kBound);

/// JSON Schema, draft 2020-12.
JsonValue config_schema_of(const ConfigTable& table, const std::string& title);

/// A Markdown table: key, allowed values, default, whether a resumed run may change it (if there
/// are such keys), meaning.
std::string config_markdown_of(const ConfigTable& table);

template <class E>
ConfigEntry& ConfigTable::choice(const char* key, E& value, const std::vector<Choice<E>>& choices,
                                 Doc doc) {
  NamedValues values;
  for (const Choice<E>& c : choices) values.names.emplace_back(c.name);
  values.get = [&value, choices] {
    size_t i = 0;
    while (i + 1 < choices.size() && choices[i].value != value) ++i;
    return i;
  };
  values.set = [&value, choices](size_t i) { value = choices[i].value; };
  return add_choice(key, std::move(values), doc);
}

template <class T>
ConfigEntry& ConfigTable::section(const char* key, T& value, Doc doc) {
  ConfigTable table;
  describe(table, value);
  return section(key, std::move(table), doc);
}

template <class T>
ConfigEntry& ConfigTable::list(const char* key, std::vector<T>& items,
                               std::pair<size_t, size_t> sizes, Doc doc) {
  class ListOf : public ConfigList {
   public:
    ListOf(std::vector<T>& items, std::pair<size_t, size_t> sizes)
        : ConfigList(sizes.first, sizes.second), items_(items) {}
    size_t size() const override { return items_.size(); }
    void reset(size_t size) override { items_.assign(size, T{}); }
    ConfigTable at(size_t index) override { return table_of(items_.at(index)); }
    ConfigTable sample() override { return table_of(sample_); }

   private:
    static ConfigTable table_of(T& item) {
      ConfigTable table;
      describe(table, item);
      return table;
    }
    std::vector<T>& items_;
    T sample_{};
  };
  return add(key, doc, std::make_unique<ListOf>(items, sizes));
}

}  // namespace rela
