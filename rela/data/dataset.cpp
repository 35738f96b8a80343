#include "rela/data/dataset.h"

#include "kernels/libraries/tuning/tuning.h"
#include "rela/data/cifar.h"
#include "rela/data/idx.h"
#include "rela/data/photos/photos.h"
#include "rela/data/synthetic.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {

namespace {

constexpr NamedDataFormat kFormats[] = {{"cifar10", DataFormat::kCifar10},
                                        {"cifar100", DataFormat::kCifar100},
                                        {"idx", DataFormat::kIdx},
                                        {"imagefolder", DataFormat::kImageFolder},
                                        {"tar", DataFormat::kTar},
                                        {"packed", DataFormat::kPacked},
                                        {"synthetic", DataFormat::kSynthetic}};

std::unique_ptr<ImageDataset> make_synthetic(const DatasetSource& source) {
  const int64_t usual = source.split == Split::kTrain ? 5000 : 1000;
  return make_synthetic(source.synthetic_size > 0 ? source.synthetic_size : usual, source.split,
                        source.synthetic_seed);
}

}  // namespace

std::span<const NamedDataFormat> data_formats() { return kFormats; }

DataFormat data_format(const std::string& name) {
  std::string known;
  for (const NamedDataFormat& f : kFormats) {
    if (name == f.name) return f.format;
    known += cat(known.empty() ? "" : ", ", f.name);
  }
  throw UsageError(cat("--format: \"", name, "\"; allowed: ", known));
}

std::string default_cache_folder() { return Tuning::default_choice_folder(); }

bool has_split(const DatasetSource& source) {
  switch (source.format) {
    case DataFormat::kImageFolder:
    case DataFormat::kTar:
    case DataFormat::kPacked:
      return has_photo_split(source);
    default:
      return true;
  }
}

void warn_if_same(const ImageDataset& train, const ImageDataset& test) {
  if (train.size() == test.size() && train.fingerprint() == test.fingerprint())
    log_warning("the test images are the training images: accuracies on them say little");
}

const char* split_name(Split split) { return split == Split::kTrain ? "train" : "test"; }

std::unique_ptr<ImageDataset> open_dataset(const DatasetSource& source) {
  switch (source.format) {
    case DataFormat::kCifar10:
      return open_cifar10(source.path, source.split);
    case DataFormat::kCifar100:
      return open_cifar100(source.path, source.split);
    case DataFormat::kIdx:
      return open_idx(source.path, source.split);
    case DataFormat::kImageFolder:
    case DataFormat::kTar:
    case DataFormat::kPacked:
      return open_photos(source);
    case DataFormat::kSynthetic:
      return make_synthetic(source);
  }
  return nullptr;
}

}  // namespace rela
