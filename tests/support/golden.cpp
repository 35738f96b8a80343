#include "tests/support/golden.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/error.h"
#include "runtime/tape.h"
#include "tests/support/golden_files.h"

namespace rela::test {
namespace {

double phase_of(const std::string& name) {
  uint32_t hash = 0x811c9dc5u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193u;
  return (hash % 10007u) / 1000.0;
}

/// visit(index in memory, index in torch's order) for every element.
template <class Visit>
void for_each_in_torch_order(const StateTensor& t, Visit&& visit) {
  const Shape& s = t.value.shape();
  if (!t.conv_weight) {
    for (int64_t i = 0; i < t.value.numel(); ++i) visit(i, i);
    return;
  }
  int64_t torch_index = 0;
  for (int64_t k = 0; k < s[0]; ++k) {
    for (int64_t c = 0; c < s[3]; ++c) {
      for (int64_t r = 0; r < s[1]; ++r) {
        for (int64_t q = 0; q < s[2]; ++q)
          visit(((k * s[1] + r) * s[2] + q) * s[3] + c, torch_index++);
      }
    }
  }
}

FormulaRange range_of(const StateTensor& t) {
  const Shape& shape = t.value.shape();
  if (shape.rank() > 1) {
    return {.scale = std::sqrt(3.0 * static_cast<double>(shape[0]) /
                               static_cast<double>(t.value.numel()))};
  }
  const bool positive = t.name.ends_with("weight") || t.name.ends_with("running_var");
  return positive ? FormulaRange{0.25, 1} : FormulaRange{0.1, 0};
}

}  // namespace

std::vector<float> formula(const std::string& name, int64_t count, FormulaRange range) {
  const double phase = phase_of(name);
  std::vector<float> values;
  for (int64_t n = 0; n < count; ++n) {
    const auto i = static_cast<double>(n);
    values.push_back(
        static_cast<float>(range.offset + range.scale * std::sin(phase + i * (0.9 + 0.011 * i))));
  }
  return values;
}

Tensor formula_images(const std::string& name, int64_t count) {
  const Shape shape{count, 32, 32, 3};
  return Tensor::from(formula(name, shape.numel()), shape);
}

void fill_from_formula(std::vector<StateTensor> state) {
  for (StateTensor& t : state) {
    if (t.value.dtype() != Dtype::kF32) continue;
    const std::vector<float> values = formula(t.name, t.value.numel(), range_of(t));
    for_each_in_torch_order(t, [&, to = t.value.data<float>()](int64_t memory, int64_t torch) {
      to[memory] = values[static_cast<size_t>(torch)];
    });
  }
}

std::vector<float> torch_order(const StateTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.value.numel()));
  const float* from = tensor.value.data<float>();
  for_each_in_torch_order(tensor, [&](int64_t memory, int64_t torch) {
    values[static_cast<size_t>(torch)] = from[memory];
  });
  return values;
}

std::string GoldenFile::path_of(const std::string& name) {
  return golden_path(name + ".safetensors").string();
}

std::vector<float> GoldenFile::values(const std::string& name) const {
  const WeightsEntry* entry = file_.find(name);
  const int64_t count = entry == nullptr ? 0 : entry->shape.numel();
  std::vector<float> values(static_cast<size_t>(count));
  file_.read_as_f32(name, values.data(), count);  // throws if the name is missing
  return values;
}

double GoldenFile::miss(const std::string& name, const std::vector<float>& got) const {
  const std::vector<float> want = values(name);
  const bool sampled = file_.find(name + ".norm") != nullptr;
  if (got.size() < want.size() || (!sampled && got.size() != want.size()))
    return std::numeric_limits<double>::infinity();
  const auto end = got.begin() + static_cast<std::ptrdiff_t>(want.size());
  const double sample = relative_error({got.begin(), end}, want);
  if (!sampled) return sample;
  const double norm = values(name + ".norm").front();
  return std::max(sample, std::abs(l2_norm(got) - norm) / norm);
}

double GoldenFile::miss_of_move(const std::string& name, std::vector<float> got,
                                std::vector<float> start) const {
  const std::vector<float> want = values(name);
  got.resize(want.size());
  start.resize(want.size());
  return relative_error(got, want) / relative_error(start, want);
}

size_t GoldenFile::tensor_count() const {
  return static_cast<size_t>(
      std::count_if(file_.entries().begin(), file_.entries().end(),
                    [](const WeightsEntry& e) { return !e.name.ends_with(".norm"); }));
}

Var golden_images() { return Var(formula_images("images", 4)); }

std::string gradient_misses(const GoldenFile& golden, const Module& model, const Var& features,
                            double limit) {
  backward(features,
           Tensor::from(formula("functional", features.value().numel()), features.shape()));
  std::string misses;
  for (const NamedParameter& p : model.parameters()) {
    const StateTensor gradient{p.name, parameter_grad(p.var), p.kind == ParameterKind::kConvWeight};
    const double miss = golden.miss("gradient." + p.name, torch_order(gradient));
    if (!(miss <= limit)) misses += cat(p.name, ": ", miss, ", ", limit, " is allowed\n");
  }
  return misses;
}

double l2_norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float x : values) sum += static_cast<double>(x) * x;
  return std::sqrt(sum);
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
  std::vector<float> error(want.size());
  for (size_t i = 0; i < want.size(); ++i) error[i] = got[i] - want[i];
  const double norm = l2_norm(error);
  return norm == 0 ? 0 : norm / l2_norm(want);
}

}  // namespace rela::test
