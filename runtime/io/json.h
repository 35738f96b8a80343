#pragma once
// JSON data that remembers its source: members keep their order, every value knows its line,
// integers stay integers. Reading is strict: UTF-8, no duplicate keys, no NaN or Infinity, no
// comments, bounded depth.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/error.h"

namespace rela {

/// Input that is not JSON, or exceeds a limit. The message has no file name: the caller adds it.
class JsonError : public Error {
 public:
  JsonError(const std::string& message, int line, int column)
      : Error(cat("line ", line, ", column ", column, ": ", message)),
        line_(line),
        column_(column) {}
  int line() const { return line_; }
  int column() const { return column_; }

 private:
  int line_;
  int column_;
};

class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Member = std::pair<std::string, JsonValue>;
  using Object = std::vector<Member>;  // in the order of the text
  /// Integers are int64_t when they fit and uint64_t above that; a number with a decimal point or
  /// an exponent is a double.
  using Data =
      std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object>;

  JsonValue() : JsonValue(nullptr) {}
  // Implicit, so that objects can be written out: {{"step", step}, {"name", "x"}}.
  JsonValue(std::nullptr_t, int line = 0);
  JsonValue(bool value, int line = 0);
  JsonValue(int64_t value, int line = 0);
  JsonValue(uint64_t value, int line = 0);
  JsonValue(double value, int line = 0);
  JsonValue(std::string value, int line = 0);
  JsonValue(const char* value) : JsonValue(std::string(value)) {}
  JsonValue(Array value, int line = 0);
  JsonValue(Object value, int line = 0);
  ~JsonValue();
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(JsonValue&& other) noexcept;
  JsonValue(const JsonValue& other);
  JsonValue& operator=(const JsonValue& other);

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  bool is_integer() const { return as<int64_t>() != nullptr || as<uint64_t>() != nullptr; }
  /// The data if it is a T, else null: if (const std::string* text = value.as<std::string>()) ...
  template <class T>
  const T* as() const {
    return std::get_if<T>(&data_);
  }
  template <class T>
  T* as() {
    return std::get_if<T>(&data_);
  }
  /// The member of that name; null if this is not an object or has no such member.
  const JsonValue* find(std::string_view key) const;
  JsonValue* find(std::string_view key);

  /// Line of the text that this value ends on (objects and arrays: begin on), from 1; 0: not from
  /// text.
  int line() const { return line_; }
  /// Clears the line numbers of this value and all values below it.
  void forget_lines();

 private:
  Data data_ = nullptr;
  int line_ = 0;
};

/// The member of that name if it is a T, else the fallback.
template <class T>
T member_or(const JsonValue& object, std::string_view key, T fallback = {}) {
  const JsonValue* value = object.find(key);
  const T* found = value == nullptr ? nullptr : value->as<T>();
  return found == nullptr ? fallback : *found;
}

struct JsonLimits {
  int max_depth = 32;              // of nested objects and arrays
  int64_t max_values = 1'000'000;  // scalars, arrays and objects together
};

/// Throws JsonError.
JsonValue parse_json(std::string_view text, JsonLimits limits = {});

enum class JsonLayout : uint8_t { kCompact, kIndented };

/// JSON text of a value; doubles in the shortest form that reads back to the same bits. Throws
/// Error for NaN or infinity (not JSON) and for text that is not UTF-8.
std::string to_json_text(const JsonValue& value, JsonLayout layout);

}  // namespace rela
