#pragma once

#include <cstdint>
#include <vector>

namespace rela {

/// Images that one epoch visits: floor(ratio * N), ratio in (0, 1].
int64_t epoch_draws(int64_t dataset_size, double ratio);

/// Whole batches of one epoch; the last, incomplete one is dropped. Throws ConfigError when there
/// is none.
int64_t epoch_batches(int64_t dataset_size, double ratio, int64_t batch_size);

/// The samples that an epoch visits, in order: a uniform draw without replacement of `draws` out of
/// [0, dataset_size), keyed by (seed, epoch) alone, so that all ranks and restarts agree.
/// Every epoch draws afresh. Overwrites `order`, whose memory is kept; needs draws <= dataset_size
/// < 2^32.
void draw_epoch_order(uint64_t seed, uint32_t epoch, int64_t dataset_size, int64_t draws,
                      std::vector<int64_t>& order);

}  // namespace rela
