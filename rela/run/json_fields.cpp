#include "rela/run/json_fields.h"

#include <cmath>

namespace rela {

JsonValue json_number(double value) {
  if (std::isnan(value)) return std::string("nan");
  if (std::isinf(value)) return std::string(value > 0 ? "inf" : "-inf");
  return value;
}

void FieldReader::operator()(const char* name, std::string& value) const {
  value = member_or<std::string>(in_, name);
}

void FieldReader::operator()(const char* name, int64_t& value) const {
  value = member_or<int64_t>(in_, name);
}

void FieldReader::operator()(const char* name, double& value) const {
  value = kMissing;
  const JsonValue* found = in_.find(name);
  if (found == nullptr) return;
  if (const double* x = found->as<double>()) value = *x;
  if (const int64_t* x = found->as<int64_t>()) value = static_cast<double>(*x);
  if (const uint64_t* x = found->as<uint64_t>()) value = static_cast<double>(*x);
  const std::string* text = found->as<std::string>();
  if (text == nullptr) return;
  if (*text == "inf") value = std::numeric_limits<double>::infinity();
  if (*text == "-inf") value = -std::numeric_limits<double>::infinity();
}

}  // namespace rela
