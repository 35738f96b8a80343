#include "rela/data/sampler.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/random/random_stream.h"
#include "runtime/error.h"

namespace rela {

int64_t epoch_draws(int64_t dataset_size, double ratio) {
  // A ratio such as 0.1 is a little more or less than a tenth: 1e-9 keeps floor(0.1 * 50) at 5.
  return static_cast<int64_t>(std::floor(ratio * static_cast<double>(dataset_size) + 1e-9));
}

int64_t epoch_batches(int64_t dataset_size, double ratio, int64_t batch_size) {
  const int64_t draws = epoch_draws(dataset_size, ratio);
  RELA_CHECK(batch_size <= draws, ConfigError, "batch_size: ", batch_size, " is more than the ",
             draws, " images that an epoch draws (data.ratio ", ratio, " of ", dataset_size,
             "); lower batch_size or raise data.ratio");
  return draws / batch_size;
}

void draw_epoch_order(uint64_t seed, uint32_t epoch, int64_t dataset_size, int64_t draws,
                      std::vector<int64_t>& order) {
  // The first `draws` steps of a Fisher-Yates shuffle.
  order.resize(static_cast<size_t>(dataset_size));
  std::iota(order.begin(), order.end(), int64_t{0});
  RandomStream random({.seed = seed, .epoch = epoch, .op = RandomOp::kEpochOrder});
  for (int64_t i = 0; i < draws; ++i) {
    const int64_t j = i + random.below(static_cast<uint32_t>(dataset_size - i));
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  order.resize(static_cast<size_t>(draws));
}

}  // namespace rela
