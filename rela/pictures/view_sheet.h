#pragma once

#include <cstdint>

#include "rela/data/loader.h"
#include "rela/pictures/canvas.h"

namespace rela {

/// A contact sheet of the first images that training draws: each as it is in the data set, and its
/// two views as the network sees them, rounded to 8 bits. `options` are the run's; of them, batch
/// size and number type do not matter. Throws ConfigError for more images than there are.
Canvas draw_view_sheet(const ImageDataset& dataset, LoaderOptions options, int64_t images);

}  // namespace rela
