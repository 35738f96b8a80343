#pragma once

#include <filesystem>

#include "rela/data/dataset.h"
#include "rela/data/photos/photo_index.h"

namespace rela {

/// Lists the pictures of a folder. Each folder in it that has pictures, at any depth, is a class of
/// that name; without such folders, the pictures of the folder itself are listed, without labels.
/// Hidden files and folders are passed over, links followed (a link back to a folder that leads to
/// it is not), folders without pictures and files of other kinds reported in the log. Files without
/// a suffix are looked into. Throws DataError where there is nothing to read.
PhotoIndex list_image_folder(const std::filesystem::path& folder);

/// The folder of a split: `path`/train, or val, validation, valid or test, if `path` has a folder
/// train; the folder beside, if `path` itself is called train and the test split is asked for; else
/// `path` to train on, and an empty path for the test split.
std::filesystem::path split_folder(const std::filesystem::path& path, Split split);

}  // namespace rela
