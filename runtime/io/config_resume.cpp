#include <map>

#include "runtime/io/config_table.h"

namespace rela {
namespace {

/// Values of keys by their dotted paths.
using Values = std::map<std::string, std::string>;

class Collector {
 public:
  explicit Collector(ResumeKeys keys) : keys_(keys) {}

  /// `table`: what it says of the value's members; null if it does not know them. `is_free`: the
  /// value belongs to a key that may change.
  void collect(const JsonValue& value, const ConfigTable* table, const std::string& path,
               bool is_free) {
    const auto* object = value.as<JsonValue::Object>();
    if (object == nullptr) {
      if (is_free == (keys_ == ResumeKeys::kFree))
        values_[path] = to_json_text(value, JsonLayout::kCompact);
      return;
    }
    for (const auto& [key, member] : *object) {
      const ConfigEntry* entry = table == nullptr ? nullptr : table->find(key);
      collect(member, entry == nullptr ? nullptr : entry->section(),
              path.empty() ? key : cat(path, ".", key),
              is_free || (entry != nullptr && entry->is_free_on_resume));
    }
  }
  const Values& values() const { return values_; }

 private:
  ResumeKeys keys_;
  Values values_;
};

}  // namespace

std::vector<ConfigDifference> resume_differences(const ConfigTable& table, const JsonValue& before,
                                                 const JsonValue& now, ResumeKeys keys) {
  Collector then(keys), today(keys);
  then.collect(before, &table, "", false);
  today.collect(now, &table, "", false);
  std::vector<ConfigDifference> differences;
  for (const auto& [key, value] : today.values()) {
    const auto it = then.values().find(key);
    const std::string old = it == then.values().end() ? "absent" : it->second;
    if (old != value) differences.push_back({key, old, value});
  }
  return differences;
}

}  // namespace rela
