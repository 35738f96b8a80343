#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "kernels/augment/normalize.h"
#include "kernels/augment/view_spec.h"
#include "rela/data/dataset.h"
#include "runtime/tensor.h"

namespace rela {

/// Where views are rendered.
enum class AugmentOn : uint8_t {
  kCpu,     // by the loader's workers
  kDevice,  // on a GPU: the workers hand out images, and what is to be done to them
};

struct LoaderOptions {
  int64_t batch_size = 256;  // global: all ranks together
  double ratio = 1.0;        // share of the images that each epoch draws, (0, 1]
  uint64_t seed = 0;
  std::array<ViewSpec, 2> views;
  Normalization normalization = imagenet_normalization();
  Dtype dtype = Dtype::kF32;  // of the images: f32, bf16 or f16
  int workers = 1;            // threads that render images, at least 1
  int prefetch = 2;           // batches made ahead of the consumer, at least 1
  int rank = 0;               // this process gets part `rank` of `world` of each global batch
  int world = 1;              // divides batch_size
  AugmentOn augment_on = AugmentOn::kCpu;
};

/// Throws ConfigError when the options do not fit the data set.
void check_loader_options(const ImageDataset& dataset, const LoaderOptions& options);

/// Two random views of each of B images, B = batch_size / world. Its memory belongs to the loader.
struct TwoViewBatch {
  Tensor images =
      {};  // [2B, S, S, 3] f32, bf16 or f16, normalised: view 0 of all B, then view 1 of all B.
           // Undefined with AugmentOn::kDevice; then there are, for render_views_cuda():
  Tensor pixels = {};   // u8: [B, height, width, 3]; of photographs, the crops, [2B, S, S, 3]
  Tensor jobs = {};     // [2B, sizeof(ViewJob)] u8: a ViewJob for each view
  Tensor labels = {};   // [B] i64
  Tensor samples = {};  // [B] i64, positions in the data set; of a bad image, its replacement's
  int64_t epoch = 0;
  int64_t index = 0;    // in the epoch
  double waited_s = 0;  // how long next() had to wait for it
};

/// Endless batches for training, made ahead by worker threads, which share out the images of a
/// batch. Batch b of epoch e has the same bits for any number of workers. An epoch's last,
/// incomplete batch is dropped. No tensor is allocated after the start. The data set must outlive
/// the loader. One consumer thread.
///
/// Workers block SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2: those reach the threads that handle
/// them.
class TwoViewLoader {
 public:
  /// Starts at epoch 0, batch 0. Throws what check_loader_options() throws, and DeviceError when
  /// the system does not start the workers.
  TwoViewLoader(const ImageDataset& dataset, const LoaderOptions& options);
  ~TwoViewLoader();
  TwoViewLoader(const TwoViewLoader&) = delete;
  TwoViewLoader& operator=(const TwoViewLoader&) = delete;

  int64_t batches_per_epoch() const;

  /// The next batch; after the last one of an epoch comes the first one of the following epoch.
  /// Valid until the next call of next() or seek(). What a worker threw while making it is rethrown
  /// here, on this and every further call until seek().
  const TwoViewBatch& next();

  /// Makes (epoch, batch_index) the next batch: a resumed run goes on with the very same bits.
  void seek(int64_t epoch, int64_t batch_index);

  /// The batches from the next one on show these views, also those that were made ahead.
  /// Invalidates the batch handed out before, as next() does.
  void switch_views(const std::array<ViewSpec, 2>& views);

  /// Sum of waited_s over all batches so far.
  double total_waited_s() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rela
