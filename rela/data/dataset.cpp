#include "rela/data/dataset.h"

#include "rela/data/cifar.h"
#include "rela/data/idx.h"
#include "rela/data/synthetic.h"
#include "runtime/error.h"

namespace rela {

const char* split_name(Split split) { return split == Split::kTrain ? "train" : "test"; }

std::unique_ptr<ImageDataset> open_dataset(const DatasetSource& source) {
  if (source.format == "cifar10") return open_cifar10(source.path, source.split);
  if (source.format == "cifar100") return open_cifar100(source.path, source.split);
  if (source.format == "idx") return open_idx(source.path, source.split);
  RELA_CHECK(source.format == "synthetic", ConfigError, "data.format: \"", source.format,
             "\" cannot be read by this version; available: cifar10, cifar100, idx, synthetic");
  const int64_t usual = source.split == Split::kTrain ? 5000 : 1000;
  return make_synthetic(source.synthetic_size > 0 ? source.synthetic_size : usual, source.split,
                        source.synthetic_seed);
}

}  // namespace rela
