#pragma once
// Which files of a folder are the images and labels of a data set of MNIST's family:
//   <set><split>-images-idx3-ubyte[.gz], <set><split>-labels-idx1-ubyte[.gz]   (or .idx3, .idx1)
// <split> is train, t10k or test; <set> is empty (MNIST, Fashion-MNIST, KMNIST) or ends with a
// hyphen (EMNIST: emnist-letters-, emnist-balanced-, ...).

#include <filesystem>
#include <string>

#include "rela/data/dataset.h"

namespace rela {

struct IdxFiles {
  std::string set;  // "" or "emnist-letters-"
  std::filesystem::path images;
  std::filesystem::path labels;
  /// Labels of the other split; empty where there are none.
  std::filesystem::path other_labels;
};

/// `path` is a folder with the files of one set, or an images file, which says which set is meant
/// where a folder has several; of the two splits the one asked for is found either way. Of a file
/// and its gzip form, the file. Throws DataError: no or several sets, no labels, or the images of
/// the test split named to train on.
IdxFiles find_idx_files(const std::filesystem::path& path, Split split);

}  // namespace rela
