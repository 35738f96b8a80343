#pragma once
// `imagefolder`, `tar` and `packed`.

#include <memory>

#include "rela/data/photos/photo_dataset.h"

namespace rela {

/// Throws DataError for a data set that is missing, empty or damaged, IoError for one that cannot
/// be read.
std::unique_ptr<PhotoDataset> open_photos(const DatasetSource& source);
bool has_photo_split(const DatasetSource& source);

}  // namespace rela
