#include <charconv>
#include <functional>

#include "runtime/io/config_table.h"

namespace rela {
namespace {

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts{""};
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::optional<size_t> index_of(const std::string& text) {
  size_t index = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool is_index = code == std::errc() && end == text.data() + text.size();
  return is_index ? std::optional(index) : std::nullopt;
}

/// The value that an override's text represents.
JsonValue value_of(const std::string& text, const ConfigField* field) {
  try {
    JsonValue value = parse_json(text);
    value.forget_lines();
    const bool is_kept_as_text =
        field != nullptr && field->takes_text() && !value.is_null() && !value.as<std::string>();
    return is_kept_as_text ? JsonValue(text) : value;
  } catch (const JsonError&) {
    return JsonValue(text);
  }
}

/// The member of that name, created if missing; null if `value` is not an object.
JsonValue* member_of(JsonValue& value, const std::string& key, JsonValue fresh) {
  auto* object = value.as<JsonValue::Object>();
  if (object == nullptr) return nullptr;
  if (JsonValue* member = value.find(key)) return member;
  return &object->emplace_back(key, std::move(fresh)).second;
}

void anchor_paths(JsonValue& value, const ConfigEntry& entry, const std::string& folder);

void anchor_paths(JsonValue& value, const ConfigTable& table, const std::string& folder) {
  for (const ConfigEntry& entry : table.entries()) {
    if (JsonValue* member = value.find(entry.key)) anchor_paths(*member, entry, folder);
  }
}

/// Makes the paths in the value of an entry absolute.
void anchor_paths(JsonValue& value, const ConfigEntry& entry, const std::string& folder) {
  if (const ConfigTable* section = entry.section()) return anchor_paths(value, *section, folder);
  if (ConfigVariant* variant = entry.variant()) {
    return anchor_paths(value, variant->sample(), folder);
  }
  const auto* text = value.as<std::string>();
  const bool is_path = entry.field() != nullptr && entry.field()->is_path();
  if (is_path && text != nullptr && !text->empty()) {
    value = JsonValue(absolute_path(folder, *text), value.line());
  }
}

/// The value to put at the path; the entry is null if unknown.
using ValueFor = std::function<JsonValue(const ConfigEntry*)>;

/// Walks down the document and the table in parallel.
class Override {
 public:
  Override(std::vector<std::string> parts, ValueFor value, ConfigIssues& issues)
      : parts_(std::move(parts)), value_(std::move(value)), issues_(issues) {}

  void apply(JsonValue& node, const ConfigTable& table, size_t depth) {
    const std::string& key = parts_[depth];
    const ConfigEntry* entry = table.find(key);
    if (entry == nullptr) {
      complain(depth, unknown_key_complaint(table, key));
      return;
    }
    if (depth + 1 == parts_.size()) {
      JsonValue value = value_(entry);
      if (JsonValue* member = member_of(node, key, JsonValue())) *member = std::move(value);
      return;
    }
    if (entry->field() != nullptr) {
      complain(depth + 1, {cat("unknown key, ", key, " has no keys below it")});
    } else if (const ConfigTable* section = entry->section()) {
      apply_to_section(node, *section, depth);
    } else if (ConfigVariant* variant = entry->variant()) {
      apply_to_variant(node, variant->sample(), depth);
    } else {
      const JsonValue defaults(
          JsonValue::Array(entry->list()->size(), JsonValue(JsonValue::Object{})));
      if (JsonValue* member = member_of(node, key, defaults)) {
        apply_to_list(*member, *entry->list(), depth + 1);
      }
    }
  }

 private:
  void apply_to_section(JsonValue& node, const ConfigTable& section, size_t depth) {
    // A member of the wrong type is kept: reading the config reports it.
    JsonValue* member = member_of(node, parts_[depth], JsonValue(JsonValue::Object{}));
    if (member != nullptr) apply(*member, section, depth + 1);
  }

  /// A key that no form has is put in all the same: reading the config, when the form is known,
  /// reports it.
  void apply_to_variant(JsonValue& node, const ConfigTable& all, size_t depth) {
    const bool is_known = depth + 2 < parts_.size() || all.find(parts_[depth + 1]) != nullptr;
    if (is_known) return apply_to_section(node, all, depth);
    JsonValue* section = member_of(node, parts_[depth], JsonValue(JsonValue::Object{}));
    if (section == nullptr) return;
    if (JsonValue* member = member_of(*section, parts_[depth + 1], JsonValue()))
      *member = value_(nullptr);
  }

  void apply_to_list(JsonValue& node, ConfigList& list, size_t depth) {
    auto* items = node.as<JsonValue::Array>();
    if (items == nullptr) return;
    const std::optional<size_t> index = index_of(parts_[depth]);
    if (!index || *index > items->size() || *index >= list.max_size()) {
      complain(depth, {cat("no such element, the list has ", items->size(), " of at most ",
                           list.max_size(), ", numbered from 0")});
      return;
    }
    // A list that is too short says the same of what would follow.
    if (*index == items->size())
      items->push_back(items->empty() ? JsonValue(JsonValue::Object{}) : items->back());
    JsonValue& item = (*items)[*index];
    if (depth + 1 == parts_.size()) {
      item = value_(nullptr);
    } else {
      apply(item, list.sample(), depth + 1);
    }
  }

  void complain(size_t depth, const ConfigComplaint& complaint) {
    std::string path = parts_[0];
    for (size_t i = 1; i <= depth; ++i) path += "." + parts_[i];
    const JsonValue value = value_(nullptr);
    issues_.add(path, complaint, &value);
  }

  std::vector<std::string> parts_;
  ValueFor value_;
  ConfigIssues& issues_;
};

}  // namespace

void apply_override(JsonValue& document, const ConfigTable& table, const std::string& assignment,
                    ConfigIssues& issues) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    issues.add("--set", {cat("\"", assignment, "\" is not key.path=value")}, nullptr);
    return;
  }
  const std::string text = assignment.substr(equals + 1);
  const ValueFor value = [&](const ConfigEntry* entry) {
    return value_of(text, entry == nullptr ? nullptr : entry->field());
  };
  Override(split(assignment.substr(0, equals)), value, issues).apply(document, table, 0);
}

void apply_setting(JsonValue& document, const ConfigTable& table, const JsonValue::Member& setting,
                   const std::string& folder, ConfigIssues& issues) {
  const ValueFor value = [&](const ConfigEntry* entry) {
    JsonValue copy = setting.second;
    if (entry != nullptr) anchor_paths(copy, *entry, folder);
    return copy;
  };
  Override(split(setting.first), value, issues).apply(document, table, 0);
}

const JsonValue* value_at(const JsonValue& document, const std::string& path) {
  const JsonValue* value = &document;
  for (const std::string& part : split(path)) {
    const auto* items = value->as<JsonValue::Array>();
    const std::optional<size_t> index = index_of(part);
    const bool is_element = items != nullptr && index && *index < items->size();
    value = is_element ? &(*items)[*index] : value->find(part);
    if (value == nullptr) return nullptr;
  }
  return value;
}

}  // namespace rela
