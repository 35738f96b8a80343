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

class Reader {
 public:
  Reader(const std::string& folder, ConfigIssues& issues) : folder_(folder), issues_(issues) {}

  void read(const ConfigTable& table, const JsonValue& value, const std::string& path) {
    const auto* object = value.as<JsonValue::Object>();
    if (object == nullptr) {
      issues_.add(path.empty() ? "config" : path, {"must be an object"}, &value);
      return;
    }
    report_unknown_keys(table, *object, path);
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

 private:
  static std::string missing(const ConfigEntry& entry) {
    if (entry.field() != nullptr) return "missing; must be " + entry.field()->allowed();
    return "missing; this section is required";
  }

  void report_unknown_keys(const ConfigTable& table, const JsonValue::Object& object,
                           const std::string& path) {
    for (const auto& [key, member] : object) {
      const bool is_remark = key == "_comment" || (key == "$schema" && path.empty());
      if (is_remark || table.find(key) != nullptr) continue;
      issues_.add(joined(path, key), unknown_key_complaint(table, key), &member);
    }
  }

  void read_entry(const ConfigEntry& entry, const JsonValue& value, const std::string& path) {
    if (ConfigTable* section = entry.section()) {
      read(*section, value, path);
    } else if (ConfigVariant* variant = entry.variant()) {
      variant->choose(value);
      read(variant->table(), value, path);
      if (has_unknown_key(variant->table(), value)) {
        issues_.add(path,
                    {cat("its keys depend on ", path,
                         ".name; to replace all of them at once: "
                         "--set '",
                         path, "={\"name\": ...}'")},
                    nullptr);
      }
    } else if (ConfigList* list = entry.list()) {
      read_list(*list, value, path);
    } else {
      read_field(*entry.field(), value, path);
    }
  }

  static bool has_unknown_key(const ConfigTable& table, const JsonValue& value) {
    const auto* members = value.as<JsonValue::Object>();
    return members != nullptr && std::any_of(members->begin(), members->end(), [&](const auto& m) {
             return m.first != "_comment" && table.find(m.first) == nullptr;
           });
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
