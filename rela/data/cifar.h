#pragma once
// CIFAR-10 and CIFAR-100, binary version (Krizhevsky 2009). A record is its labels, then 1024 red,
// 1024 green and 1024 blue bytes. The number of records comes from the file's size, so slices of
// the set are data sets too.

#include <filesystem>
#include <memory>

#include "rela/data/dataset.h"

namespace rela {

/// data_batch_1.bin, data_batch_2.bin, ... (train; as many as there are, none left out) or
/// test_batch.bin. Class names from batches.meta.txt where it exists. Throws DataError with file
/// and byte offset: missing, empty, truncated or padded files, labels out of range.
std::unique_ptr<ImageDataset> open_cifar10(const std::filesystem::path& folder, Split split);

/// train.bin or test.bin; the fine labels.
std::unique_ptr<ImageDataset> open_cifar100(const std::filesystem::path& folder, Split split);

}  // namespace rela
