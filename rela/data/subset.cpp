#include "rela/data/subset.h"

#include <algorithm>

#include "rela/data/sampler.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

constexpr uint32_t kNoEpoch = UINT32_MAX;  // training draws by epochs

}  // namespace

Subset::Subset(const ImageDataset& dataset, int64_t count, uint64_t seed) : dataset_(dataset) {
  draw_epoch_order(seed, kNoEpoch, dataset.size(), std::min(count, dataset.size()), positions_);
  std::sort(positions_.begin(), positions_.end());
}

uint64_t Subset::fingerprint() const {
  const uint64_t whole = dataset_.fingerprint();
  ContentHash hash;
  hash.update(&whole, sizeof whole);
  hash.update(positions_.data(), static_cast<int64_t>(positions_.size() * sizeof(int64_t)));
  return hash.digest();
}

}  // namespace rela
