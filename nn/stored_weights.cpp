#include "nn/stored_weights.h"

#include <algorithm>
#include <utility>

namespace rela {

std::optional<Shape> stored_shape(const WeightsFile& file, const StoredTensor& stored) {
  std::vector<int64_t> dims;
  for (const std::string& name : stored.names) {
    const auto* entry = file.find(name);
    if (entry == nullptr) return std::nullopt;
    const auto part = entry->shape.dims();
    if (&name == &stored.names.front()) {
      dims.assign(part.begin(), part.end());
    } else if (!part.empty() && !dims.empty() &&
               std::equal(part.begin() + 1, part.end(), dims.begin() + 1, dims.end())) {
      dims[0] += part[0];
    } else {
      return std::nullopt;
    }
  }
  if (stored.transposed && dims.size() == 2) std::swap(dims[0], dims[1]);
  return Shape(std::span<const int64_t>(dims));
}

namespace {

/// [rows, columns] -> [columns, rows]
std::vector<float> transpose(const std::vector<float>& from, size_t rows) {
  const size_t columns = from.size() / rows;
  std::vector<float> to(from.size());
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j) to[j * rows + i] = from[i * columns + j];
  return to;
}

}  // namespace

std::vector<float> read_stored(const WeightsFile& file, const StoredTensor& stored) {
  std::vector<float> values;
  for (const std::string& name : stored.names) {
    const size_t begin = values.size();
    const int64_t count = file.find(name)->shape.numel();
    values.resize(begin + static_cast<size_t>(count));
    file.read_as_f32(name, values.data() + begin, count);
  }
  if (!stored.transposed || values.empty()) return values;
  return transpose(values, static_cast<size_t>(file.find(stored.names.front())->shape[0]));
}

Shape without_leading_ones(const Shape& shape) {
  const auto dims = shape.dims();
  const auto first = std::find_if(dims.begin(), dims.end(), [](int64_t d) { return d != 1; });
  return Shape(std::span<const int64_t>(first, dims.end()));
}

}  // namespace rela
