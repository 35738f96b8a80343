#pragma once

#include <string>

#include "runtime/error.h"
#include "runtime/io/json.h"

namespace rela {

/// The member of a checkpoint's JSON, which `file` names in the WeightsError for one that is
/// missing or no T.
template <class T>
T required_member(const JsonValue& object, const std::string& key, const std::string& file) {
  const JsonValue* value = object.find(key);
  const T* found = value == nullptr ? nullptr : value->as<T>();
  RELA_CHECK(found != nullptr, WeightsError, file, ": ", key,
             " is missing; the checkpoint is not one of this program");
  return *found;
}

}  // namespace rela
