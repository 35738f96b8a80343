#pragma once
// Results of a reference implementation, kept in tests/golden and made by make_golden.py there.
// Weights and images are not in the files: both sides compute them from one formula.

#include <cstdint>
#include <string>
#include <vector>

#include "nn/state.h"
#include "runtime/io/safetensors.h"

namespace rela::test {

struct FormulaRange {
  double scale = 1;
  double offset = 0;
};
/// offset + scale sin(phase(name) + i (0.9 + 0.011 i)) for i in [0, count), as make_golden.py.
std::vector<float> formula(const std::string& name, int64_t count, FormulaRange range = {});

/// [count, 32, 32, 3].
Tensor formula_images(const std::string& name, int64_t count);

/// Fills parameters and running statistics as make_golden.py's fill(): in torch's element order.
void fill_from_formula(std::vector<StateTensor> state);

/// The elements in torch's order: [K, C, R, S] for convolution weights.
std::vector<float> torch_order(const StateTensor& tensor);

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name) : file_(path_of(name)) {}

  std::vector<float> values(const std::string& name) const;
  /// By how much `got` misses what the file keeps of it: |got - want| / |want| over the sample (l2
  /// norms), or the relative error of the norm when that is larger.
  double miss(const std::string& name, const std::vector<float>& got) const;
  /// |got - want| against how far the tensor moved: |want - start|, over what the file keeps of it.
  double miss_of_move(const std::string& name, std::vector<float> got,
                      std::vector<float> start) const;
  /// Tensors in the file, their norms not counted.
  size_t tensor_count() const;

 private:
  static std::string path_of(const std::string& name);
  SafetensorsReader file_;
};

double l2_norm(const std::vector<float>& values);
/// |got - want| / |want|, 0 when they are equal.
double relative_error(const std::vector<float>& got, const std::vector<float>& want);

}  // namespace rela::test
