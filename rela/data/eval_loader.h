#pragma once

#include <cstdint>
#include <optional>

#include "kernels/augment/normalize.h"
#include "kernels/augment/resize.h"
#include "rela/data/batch_upload.h"
#include "rela/data/dataset.h"
#include "runtime/tensor.h"

namespace rela {

/// How photographs become S x S; other images are resized by EvalOptions::resize_ratio, bilinear.
struct PhotoResize {
  double ratio = 256.0 / 224;  // shorter side over S, before the centre is cut out
  ResizeFilter filter = ResizeFilter::kBilinear;
};

struct EvalOptions {
  int64_t batch_size = 256;
  int64_t image_size = 32;  // side S of what the model sees
  /// The shorter side becomes round(resize_ratio * S) (antialiased), then the centre S x S is cut
  /// out; images that are S x S already are left alone. 1: resize to S; 256/224 is usual on
  /// ImageNet.
  double resize_ratio = 1.0;
  PhotoResize photos = {};
  Normalization normalization = imagenet_normalization();
  Dtype dtype = Dtype::kF32;  // of the images: f32, bf16 or f16
  Device device = Device::kCpu;
};

struct EvalBatch {
  Tensor images;      // [P, S, S, 3] f32, bf16 or f16, normalised, on the loader's device. P >= B:
                      // what follows the first B images is padding, zeros
  Tensor labels;      // [B] i64, on the host
  int64_t begin = 0;  // position of the first one in the data set
  int64_t size() const { return labels.shape()[0]; }  // B
};

/// The whole data set once, in its order, without augmentation. The last batch may be smaller.
/// The data set must outlive the loader.
///
/// On cuda all batches have one shape, so that libraries plan once: the last one is padded, and a
/// set smaller than a batch is one batch of its size. On the CPU a new shape costs little, and none
/// is padded.
class EvalLoader {
 public:
  EvalLoader(const ImageDataset& dataset, const EvalOptions& options);

  /// The next batch, or nullptr at the end. Valid until the next call; on cuda, its images' memory
  /// until the kernels launched by then are done. Uses cpu_threads() threads; the pixels do not
  /// depend on how many. Rethrows what the data set throws, and stays where it is.
  const EvalBatch* next();

  /// On cuda, prepares the next batch and starts copying it: to be called when the work on this one
  /// has been launched, and before anything waits for that. Throws as next() does.
  void prefetch();

  /// Makes image `position` of the data set the next one; what was fetched ahead is forgotten.
  void seek(int64_t position);
  void rewind() { seek(0); }

 private:
  /// The batch at position_, on the host.
  std::optional<EvalBatch> load();
  /// Prepares images [begin, end) of the batch at position_.
  void fill(int64_t begin, int64_t end);

  const ImageDataset& dataset_;
  EvalOptions options_;
  Tensor images_;  // [batch_size, S, S, 3]
  Tensor labels_;  // [batch_size]
  EvalBatch batch_;
  int64_t position_ = 0;
  std::optional<BatchUpload> upload_;  // on cuda
  std::optional<EvalBatch> ahead_;     // the next batch, if it was fetched
};

}  // namespace rela
