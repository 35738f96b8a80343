#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "runtime/io/json.h"

namespace rela {

/// Outcome of one evaluation: integer counts, and the settings that reproduce them.
struct EvalResult {
  std::string protocol;  // "knn", "knn_pixels", "linear_rela", "linear_sgd", ...
  int64_t correct = 0;
  int64_t total = 0;
  std::optional<int64_t> top5_correct;
  JsonValue::Object settings;
  JsonValue::Object data;      // what names the images; empty: not said
  std::string weights_sha256;  // of the file that holds the weights; empty: none

  /// correct / total; 0 when nothing was counted.
  double top1() const;
  /// `value` is what a JsonValue can be made of.
  template <class T>
  void add_setting(std::string name, T value) {
    settings.emplace_back(std::move(name), JsonValue(std::move(value)));
  }
};

/// { "protocol", "correct", "total", "top1", ["top5_correct", "top5",] "settings": {...},
///   ["data": {...},] ["weights_sha256"] }
JsonValue to_json(const EvalResult& result);

/// "knn-0123456789abcdef": the protocol, and a hash of settings, data and weights. The same
/// measurement has the same name, any other one another.
std::string name_of(const EvalResult& result);

/// Writes the JSON to a file, atomically. Throws IoError.
void write_result(const std::string& path, const EvalResult& result);

}  // namespace rela
