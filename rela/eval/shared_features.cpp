#include "rela/eval/shared_features.h"

#include <algorithm>
#include <numeric>

#include "kernels/cpu/parallel.h"
#include "rela/data/subset.h"
#include "runtime/error.h"

namespace rela {
namespace {

std::string bytes_of(const Tensor& host) {
  return {static_cast<const char*>(host.raw()), host.bytes()};
}

/// Rows of all ranks, one after the other.  pieces: each [n_r, width] of the dtype.
Tensor join_rows(const std::vector<std::string>& pieces, int64_t width, Dtype dtype) {
  size_t bytes = 0;
  for (const std::string& piece : pieces) bytes += piece.size();
  const auto row = static_cast<size_t>(width) * dtype_bytes(dtype);
  Tensor all = Tensor::empty({static_cast<int64_t>(bytes / row), width}, dtype);
  auto* to = static_cast<char*>(all.raw());
  for (const std::string& piece : pieces) {
    to = std::copy(piece.begin(), piece.end(), to);
  }
  return all;
}

}  // namespace

std::unique_ptr<ImageDataset> part_of_rank(const ImageDataset& dataset, const Communicator& ranks) {
  RELA_CHECK(dataset.size() >= ranks.size(), DataError, "evaluation: ", dataset.size(),
             " images for ", ranks.size(), " ranks; each needs at least one");
  const Range mine = part_of(dataset.size(), ranks.size(), ranks.rank());
  std::vector<int64_t> positions(static_cast<size_t>(mine.end - mine.begin));
  std::iota(positions.begin(), positions.end(), mine.begin);
  return std::make_unique<Subset>(dataset, std::move(positions));
}

FeatureSet gather_features(const FeatureSet& part, Communicator& ranks) {
  if (ranks.is_alone()) return part;
  const Tensor host = part.features.to(Device::kCpu);
  const Tensor features = join_rows(ranks.gather(bytes_of(host)), part.width(), Dtype::kF32);
  const Tensor labels = join_rows(ranks.gather(bytes_of(part.labels)), 1, Dtype::kI64);
  return {features.to(part.device()), labels.view({labels.numel()}), part.num_classes};
}

}  // namespace rela
