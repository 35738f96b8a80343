#pragma once
// The bad images of a run: each rank meets those of its part of the batches, and the share that
// data.max_bad_fraction limits is that of them all.

#include "rela/data/dataset.h"
#include "runtime/comm/communicator.h"

namespace rela {

class SharedBadImages {
 public:
  /// Both must outlive it.
  SharedBadImages(const ImageDataset& images, Communicator& ranks)
      : images_(images), ranks_(ranks) {}

  /// How many this rank knows of that it has not told the others.
  int64_t untold() const { return std::ssize(images_.met_bad(told_)); }
  /// Tells the others, and adds to the data set what they tell. Collective.
  void exchange();

 private:
  const ImageDataset& images_;
  Communicator& ranks_;
  size_t told_ = 0;
};

}  // namespace rela
