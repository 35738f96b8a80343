#pragma once
// Tar archives of photographs: WebDataset shards, and archives of class folders or of one archive a
// class, as ILSVRC has them.

#include <filesystem>
#include <vector>

#include "rela/data/dataset.h"
#include "rela/data/photos/photo_index.h"

namespace rela {

/// The archives of a split. `path` is a .tar file, or a folder with some; of a folder with splits,
/// those whose names say so (train; val or test). Empty where the split is missing. `whole`: all of
/// them are of that split.
std::vector<std::filesystem::path> find_tars(const std::filesystem::path& path, Split split,
                                             bool whole);

/// Lists the pictures of archives, and of archives in them. An image's class is, in this order: the
/// number or name in the file KEY.cls, the member "label", "cls" or "class" of KEY.json, KEY being
/// the image's path up to the first dot of its name; the archive in the archive; the first folder
/// that is not common to all images. Throws DataError for compressed and damaged archives.
PhotoIndex list_tars(const std::vector<std::filesystem::path>& archives);

}  // namespace rela
