#include <algorithm>

#include "runtime/io/config_table.h"
#include "runtime/io/nearest.h"

namespace rela {
namespace {

constexpr size_t kMaxShownValue = 60;  // bytes
constexpr size_t kMaxShownPath = 200;
constexpr size_t kMaxShownIssues = 20;

std::string shortened(const std::string& text, size_t limit) {
  return text.size() <= limit ? text : text.substr(0, limit) + "...";
}

std::string shown(const JsonValue& value) {
  return shortened(to_json_text(value, JsonLayout::kCompact), kMaxShownValue);
}

std::string joined(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return text;
}

/// For a key that forms other than the present one have.
ConfigComplaint other_form_complaint(ConfigVariant& variant, const std::string& key) {
  std::vector<std::string> owners;
  for (const ConfigForm& form : variant.forms()) {
    if (form.table.find(key) != nullptr) owners.push_back(form.title);
  }
  const ConfigTable table = variant.table();
  std::vector<std::string> taken;
  for (const ConfigEntry& entry : table.entries()) {
    if (entry.key != "name") taken.push_back(entry.key);
  }
  const JsonValue name = table.find("name")->field()->write();
  return {cat("a key of ", listed(owners), ", and ", *name.as<std::string>(), " takes ",
              listed(taken), "; remove it")};
}

class Reader {
 public:
  Reader(const std::string& folder, ConfigIssues& issues) : folder_(folder), issues_(issues) {}

  void read(const ConfigTable& table, const JsonValue& value, const std::string& path) {
    if (!is_object(value, path)) return;
    for (const JsonValue::Member* member : unknown_members(table, value, path)) {
      issues_.add(joined(path, member->first), unknown_key_complaint(table, member->first),
                  &member->second);
    }
    read_known(table, value, path);
  }

 private:
  bool is_object(const JsonValue& value, const std::string& path) {
    const bool is = value.as<JsonValue::Object>() != nullptr;
    if (!is) issues_.add(path.empty() ? "config" : path, {"must be an object"}, &value);
    return is;
  }

  void read_known(const ConfigTable& table, const JsonValue& value, const std::string& path) {
    for (const ConfigEntry& entry : table.entries()) {
      const JsonValue* member = value.find(entry.key);
      if (member != nullptr) {
        read_entry(entry, *member, joined(path, entry.key));
      } else if (entry.is_required) {
        issues_.add(joined(path, entry.key), {missing(entry)}, nullptr);
      }
    }
    check_exactly_one(table, value, path);
  }

  static std::string missing(const ConfigEntry& entry) {
    if (entry.field() != nullptr) return "missing; must be " + entry.field()->allowed();
    return "missing; this section is required";
  }

  static std::vector<const JsonValue::Member*> unknown_members(const ConfigTable& table,
                                                               const JsonValue& value,
                                                               const std::string& path) {
    std::vector<const JsonValue::Member*> unknown;
    for (const JsonValue::Member& member : *value.as<JsonValue::Object>()) {
      const std::string& key = member.first;
      const bool is_remark = key == "_comment" || (key == "$schema" && path.empty());
      if (!is_remark && table.find(key) == nullptr) unknown.push_back(&member);
    }
    return unknown;
  }

  void read_variant(ConfigVariant& variant, const JsonValue& value, const std::string& path) {
    if (!is_object(value, path)) return;
    const bool has_form = variant.choose(value);
    const ConfigTable table = variant.table();
    bool any_of_another_form = false;
    for (const JsonValue::Member* member : unknown_members(table, value, path)) {
      const std::string& key = member->first;
      const bool is_of_another_form = variant.sample().find(key) != nullptr;
      if (is_of_another_form && !has_form) continue;  // nobody knows yet
      any_of_another_form |= is_of_another_form;
      issues_.add(joined(path, key),
                  is_of_another_form ? other_form_complaint(variant, key)
                                     : unknown_key_complaint(table, key),
                  &member->second);
    }
    read_known(table, value, path);
    if (!any_of_another_form) return;
    issues_.add(path,
                {cat("its keys depend on ", path, ".name; to replace all of them at once: --set '",
                     path, "={\"name\": ", shown(table.find("name")->field()->write()), "}'")},
                nullptr);
  }

  void read_entry(const ConfigEntry& entry, const JsonValue& value, const std::string& path) {
    if (ConfigTable* section = entry.section()) {
      read(*section, value, path);
    } else if (ConfigVariant* variant = entry.variant()) {
      read_variant(*variant, value, path);
    } else if (ConfigList* list = entry.list()) {
      read_list(*list, value, path);
    } else {
      read_field(*entry.field(), value, path);
    }
  }

  void read_field(ConfigField& field, const JsonValue& value, const std::string& path) {
    const bool is_override = value.line() == 0;
    const ConfigComplaint complaint = field.read(value, is_override ? "" : folder_);
    if (!complaint.message.empty()) issues_.add(path, complaint, &value);
  }

  void read_list(ConfigList& list, const JsonValue& value, const std::string& path) {
    const auto* array = value.as<JsonValue::Array>();
    const bool fits =
        array != nullptr && array->size() >= list.min_size() && array->size() <= list.max_size();
    if (!fits) {
      issues_.add(
          path, {cat("must be an array of ", list.min_size(), " to ", list.max_size(), " objects")},
          &value);
      return;
    }
    list.reset(array->size());
    for (size_t i = 0; i < array->size(); ++i) {
      read(list.at(i), (*array)[i], joined(path, std::to_string(i)));
    }
  }

  void check_exactly_one(const ConfigTable& table, const JsonValue& value,
                         const std::string& path) {
    if (table.exactly_one_of().empty()) return;
    std::string names;
    int given = 0;
    const JsonValue* last = nullptr;
    for (const std::string& key : table.exactly_one_of()) {
      names += (names.empty() ? "" : ", ") + joined(path, key);
      const JsonValue* member = value.find(key);
      if (member == nullptr || member->is_null()) continue;
      ++given;
      last = member;
    }
    if (given == 0) issues_.add(names, {"missing; exactly one of them must be given"}, nullptr);
    if (given > 1)
      issues_.add(names, {"exactly one of them may be given; remove the others"}, last);
  }

  const std::string& folder_;
  ConfigIssues& issues_;
};

}  // namespace

ConfigComplaint unknown_key_complaint(const ConfigTable& table, const std::string& key) {
  std::vector<std::string> keys;
  std::string list;
  for (const ConfigEntry& entry : table.entries()) {
    keys.push_back(entry.key);
    list += (list.empty() ? "" : ", ") + entry.key;
  }
  const std::string nearest = nearest_word(key, keys);
  if (!nearest.empty()) return {"unknown key", nearest};
  if (const size_t dot = key.find('.'); dot != std::string::npos) {
    return {cat("unknown key; in a file, sections nest: {\"", key.substr(0, dot), "\": {\"",
                key.substr(dot + 1), "\": ...}}")};
  }
  return {"unknown key, this section knows " + list};
}

void ConfigIssues::add(const std::string& path, const ConfigComplaint& complaint,
                       const JsonValue* value) {
  std::string text = shortened(path, kMaxShownPath) + ": " + complaint.message;
  if (value != nullptr) {
    text += cat(" (got ", shown(*value), ")");
    text += value->line() > 0 ? cat(" at line ", value->line()) : std::string(" in --set");
  }
  if (!complaint.nearest.empty()) text += cat("; did you mean \"", complaint.nearest, "\"?");
  issues_.push_back({value != nullptr ? value->line() : 0, std::move(text)});
}

std::string ConfigIssues::text() const {
  std::vector<Issue> sorted = issues_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Issue& a, const Issue& b) { return a.line < b.line; });
  const size_t shown = std::min(sorted.size(), kMaxShownIssues);
  std::string text;
  for (size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : "\n") + sorted[i].text;
  if (shown < sorted.size()) text += cat("\nand ", sorted.size() - shown, " more");
  return text;
}

void read_config(const ConfigTable& table, const JsonValue& document, const std::string& folder,
                 ConfigIssues& issues) {
  Reader(folder, issues).read(table, document, "");
}

}  // namespace rela
