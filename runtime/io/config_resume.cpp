#include <map>

#include "runtime/io/config_table.h"

namespace rela {
namespace {

/// Value of each key that may not change, by its dotted path.
using BoundValues = std::map<std::string, std::string>;

/// `table`: what it says of the value's members; null if it does not know them.
void collect(const JsonValue& value, const ConfigTable* table, const std::string& path,
             BoundValues& out) {
  const auto* object = value.as<JsonValue::Object>();
  if (object == nullptr) {
    out[path] = to_json_text(value, JsonLayout::kCompact);
    return;
  }
  for (const auto& [key, member] : *object) {
    const ConfigEntry* entry = table == nullptr ? nullptr : table->find(key);
    if (entry != nullptr && entry->is_free_on_resume) continue;
    collect(member, entry == nullptr ? nullptr : entry->section(),
            path.empty() ? key : cat(path, ".", key), out);
  }
}

}  // namespace

std::vector<ConfigDifference> resume_differences(const ConfigTable& table, const JsonValue& before,
                                                 const JsonValue& now) {
  BoundValues old_values;
  BoundValues new_values;
  collect(before, &table, "", old_values);
  collect(now, &table, "", new_values);
  std::vector<ConfigDifference> differences;
  for (const auto& [key, value] : new_values) {
    const auto it = old_values.find(key);
    const std::string old = it == old_values.end() ? "absent" : it->second;
    if (old != value) differences.push_back({key, old, value});
  }
  return differences;
}

}  // namespace rela
