#pragma once
// The fields of a struct as members of a JSON object, written and read from one list. The struct
// names them once, in order:
//
//   template <class Self, class Field>
//   static void fields(Self& self, Field&& field) { field("step", self.step); ... }

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "runtime/io/json.h"

namespace rela {

/// What a number is whose text is not there.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// A number, or the string that represents a non-finite one: "nan", "inf", "-inf".
JsonValue json_number(double value);

/// Appends fields to an object; optional ones that are empty are left out.
class FieldWriter {
 public:
  explicit FieldWriter(JsonValue::Object& out) : out_(out) {}
  void operator()(const char* name, const std::string& value) { out_.emplace_back(name, value); }
  void operator()(const char* name, int64_t value) { out_.emplace_back(name, value); }
  void operator()(const char* name, double value) { out_.emplace_back(name, json_number(value)); }
  template <class T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value) (*this)(name, *value);
  }

 private:
  JsonValue::Object& out_;
};

/// Fills fields from an object and never throws: what is missing or of another type becomes "", 0,
/// kMissing, or stays empty if it is optional.
class FieldReader {
 public:
  explicit FieldReader(const JsonValue& in) : in_(in) {}
  void operator()(const char* name, std::string& value) const;
  void operator()(const char* name, int64_t& value) const;
  void operator()(const char* name, double& value) const;
  template <class T>
  void operator()(const char* name, std::optional<T>& value) const {
    value.reset();
    if (in_.find(name) != nullptr) (*this)(name, value.emplace());
  }

 private:
  const JsonValue& in_;
};

template <class T>
void write_fields(const T& from, JsonValue::Object& out) {
  T::fields(from, FieldWriter(out));
}

template <class T>
T read_fields(const JsonValue& in) {
  T out;
  T::fields(out, FieldReader(in));
  return out;
}

}  // namespace rela
