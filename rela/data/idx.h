#pragma once

#include <filesystem>
#include <memory>

#include "rela/data/dataset.h"

namespace rela {

/// Grey images with labels in the form of MNIST's files (idx_folder.h has their names): MNIST,
/// Fashion-MNIST, KMNIST, EMNIST or any other of that form, of any height and width. The grey value
/// serves all three channels.
///
/// EMNIST stores its images transposed; they are turned upright. The labels of emnist-letters start
/// at 1; label() starts at 0 and the name of the class says the file's number, as in "class 1".
/// There are as many classes as the largest label of either split says.
///
/// Throws DataError with file and byte offset for files that are missing, ambiguous, damaged or do
/// not go together, IoError for those that cannot be read.
std::unique_ptr<ImageDataset> open_idx(const std::filesystem::path& path, Split split);

}  // namespace rela
