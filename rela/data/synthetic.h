#pragma once

#include <memory>

#include "rela/data/dataset.h"

namespace rela {

/// A procedural set that needs no files: 32x32 RGB, ten classes that differ in shape and texture
/// while colours, places, sizes and noise vary. Image i of a split depends on (seed, split, i)
/// alone; its class is i mod 10.
std::unique_ptr<ImageDataset> make_synthetic(int64_t size, Split split, uint64_t seed);

}  // namespace rela
