#include <algorithm>

#include "runtime/io/config_table.h"

namespace rela {
namespace {

JsonValue::Object table_schema(const ConfigTable& table);

/// One of the forms: which one, the name says.
JsonValue::Object variant_schema(ConfigVariant& variant) {
  JsonValue::Array forms;
  for (const ConfigForm& form : variant.forms()) {
    JsonValue::Object schema{{"title", JsonValue(form.title)}};
    for (auto& keyword : table_schema(form.table)) schema.push_back(std::move(keyword));
    forms.emplace_back(std::move(schema));
  }
  return {{"oneOf", JsonValue(std::move(forms))}};
}

JsonValue entry_schema(const ConfigEntry& entry) {
  JsonValue::Object schema;
  schema.emplace_back("description", JsonValue(entry.doc));
  JsonValue::Object content;
  if (const ConfigTable* section = entry.section()) {
    content = table_schema(*section);
  } else if (ConfigVariant* variant = entry.variant()) {
    content = variant_schema(*variant);
  } else if (ConfigList* list = entry.list()) {
    content = {{"type", JsonValue("array")},
               {"minItems", JsonValue(static_cast<int64_t>(list->min_size()))},
               {"maxItems", JsonValue(static_cast<int64_t>(list->max_size()))},
               {"items", JsonValue(table_schema(list->sample()))}};
  } else {
    content = entry.field()->schema();
    if (!entry.is_required) content.emplace_back("default", entry.field()->write());
  }
  for (auto& keyword : content) schema.push_back(std::move(keyword));
  return JsonValue(std::move(schema));
}

/// Exactly one of the keys has a value other than null.
JsonValue exactly_one_schema(const std::vector<std::string>& keys) {
  JsonValue::Array alternatives;
  for (const std::string& key : keys) {
    JsonValue not_null(
        JsonValue::Object{{"not", JsonValue(JsonValue::Object{{"type", JsonValue("null")}})}});
    JsonValue properties(JsonValue::Object{{key, std::move(not_null)}});
    alternatives.emplace_back(
        JsonValue::Object{{"required", JsonValue(JsonValue::Array{JsonValue(key)})},
                          {"properties", std::move(properties)}});
  }
  return JsonValue(std::move(alternatives));
}

JsonValue::Object table_schema(const ConfigTable& table) {
  JsonValue::Object properties{{"_comment", JsonValue(true)}};
  JsonValue::Array required;
  for (const ConfigEntry& entry : table.entries()) {
    properties.emplace_back(entry.key, entry_schema(entry));
    if (entry.is_required) required.emplace_back(entry.key);
  }
  JsonValue::Object schema{{"type", JsonValue("object")},
                           {"additionalProperties", JsonValue(false)},
                           {"properties", JsonValue(std::move(properties))}};
  if (!required.empty()) schema.emplace_back("required", JsonValue(std::move(required)));
  if (!table.exactly_one_of().empty()) {
    schema.emplace_back("oneOf", exactly_one_schema(table.exactly_one_of()));
  }
  return schema;
}

bool has_free_keys(const ConfigTable& table) {
  return std::ranges::any_of(table.entries(), [](const ConfigEntry& entry) {
    return entry.is_free_on_resume ||
           (entry.section() != nullptr && has_free_keys(*entry.section()));
  });
}

class MarkdownRows {
 public:
  explicit MarkdownRows(bool has_resume_column) : has_resume_column_(has_resume_column) {
    add_row({"key", "allowed", "default"}, "resume", "meaning");
    text_ += has_resume_column ? "|---|---|---|---|---|\n" : "|---|---|---|---|\n";
  }

  void add(const ConfigTable& table, const std::string& prefix, bool is_free) {
    for (const ConfigEntry& entry : table.entries()) {
      add(entry, prefix + entry.key, is_free || entry.is_free_on_resume);
    }
  }
  const std::string& text() const { return text_; }

 private:
  void add(const ConfigEntry& entry, const std::string& key, bool is_free) {
    if (const ConfigTable* section = entry.section()) {
      add(*section, key + ".", is_free);
    } else if (ConfigVariant* variant = entry.variant()) {
      add(variant->sample(), key + ".", is_free);
    } else if (ConfigList* list = entry.list()) {
      add_row({cat('`', key, '`'), cat(list->min_size(), " to ", list->max_size(), " objects"), ""},
              is_free ? "free" : "", entry.doc);
      add(list->sample(), key + "[].", is_free);
    } else {
      const std::string standard =
          entry.is_required
              ? "required"
              : cat('`', to_json_text(entry.field()->write(), JsonLayout::kIndented), '`');
      add_row({cat('`', key, '`'), entry.field()->allowed(), standard}, is_free ? "free" : "",
              entry.doc);
    }
  }
  void add_row(const std::array<std::string, 3>& cells, const char* resume,
               const std::string& meaning) {
    text_ += '|';
    for (const std::string& cell : cells) add_cell(cell);
    if (has_resume_column_) add_cell(resume);
    add_cell(meaning);
    text_ += '\n';
  }
  void add_cell(const std::string& cell) { text_ += cat(cell.empty() ? "" : " ", cell, " |"); }

  bool has_resume_column_;
  std::string text_;
};

}  // namespace

JsonValue write_config(const ConfigTable& table) {
  JsonValue::Object object;
  for (const ConfigEntry& entry : table.entries()) {
    if (const ConfigTable* section = entry.section()) {
      object.emplace_back(entry.key, write_config(*section));
    } else if (ConfigVariant* variant = entry.variant()) {
      object.emplace_back(entry.key, write_config(variant->table()));
    } else if (ConfigList* list = entry.list()) {
      JsonValue::Array items;
      for (size_t i = 0; i < list->size(); ++i) items.push_back(write_config(list->at(i)));
      object.emplace_back(entry.key, JsonValue(std::move(items)));
    } else {
      object.emplace_back(entry.key, entry.field()->write());
    }
  }
  return JsonValue(std::move(object));
}

JsonValue config_schema_of(const ConfigTable& table, const std::string& title) {
  JsonValue::Object schema{{"$schema", JsonValue("https://json-schema.org/draft/2020-12/schema")},
                           {"title", JsonValue(title)}};
  for (auto& keyword : table_schema(table)) schema.push_back(std::move(keyword));
  for (auto& [keyword, value] : schema) {
    if (keyword == "properties") {
      value.as<JsonValue::Object>()->emplace_back(
          "$schema", JsonValue(JsonValue::Object{{"type", JsonValue("string")}}));
    }
  }
  return JsonValue(std::move(schema));
}

std::string config_markdown_of(const ConfigTable& table) {
  MarkdownRows rows(has_free_keys(table));
  rows.add(table, "", /*is_free=*/false);
  return rows.text();
}

}  // namespace rela
