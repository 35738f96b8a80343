#include "rela/data/loader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/augment/view.h"
#include "rela/data/sampler.h"
#include "rela/data/view_jobs.h"
#include "rela/data/worker_memory.h"
#include "runtime/error.h"
#include "runtime/thread.h"

namespace rela {
namespace {

using Order = std::shared_ptr<const std::vector<int64_t>>;

}  // namespace

void check_loader_options(const ImageDataset& dataset, const LoaderOptions& o) {
  RELA_CHECK(o.ratio > 0 && o.ratio <= 1, ConfigError, "data.ratio: ", o.ratio,
             "; above 0 and at most 1");
  RELA_CHECK(o.batch_size >= 1, ConfigError, "batch_size: ", o.batch_size, "; at least 1");
  const int64_t less = o.batch_size / o.world * o.world;
  RELA_CHECK(less == o.batch_size, ConfigError, "batch_size: ", o.batch_size, " images for ",
             o.world, " ranks, which must divide it; the nearest are ",
             less > 0 ? cat(less, " and ") : "", less + o.world);
  epoch_batches(dataset.size(), o.ratio, o.batch_size);
  RELA_CHECK(o.rank >= 0 && o.rank < o.world, ConfigError, "rank: ", o.rank, "; 0 to ",
             o.world - 1);
  RELA_CHECK(o.views[0].crop_size == o.views[1].crop_size, ConfigError, "augmentations: crop_size ",
             o.views[0].crop_size, " and ", o.views[1].crop_size,
             "; both views have the same size");
}

/// Batches are numbered from the start of the training; number s waits in slot s mod slots. Workers
/// share out images, not batches: each claims the next image of the earliest batch that still has
/// some to claim, and renders it without the lock. So any number of workers has work as soon as a
/// slot is free, and a batch is late by no more than one image.
class TwoViewLoader::Impl {
 public:
  Impl(const ImageDataset& dataset, const LoaderOptions& options)
      : dataset_(dataset), options_(options), draws_(epoch_draws(dataset.size(), options.ratio)) {
    check_loader_options(dataset, options);
    local_batch_ = options.batch_size / options.world;
    const int64_t side = options.views[0].crop_size;
    output_ = {side, options.normalization, options.dtype,
               dataset.has_many_sizes() ? ResizeRounding::kBytes : ResizeRounding::kExact};
    slots_.resize(static_cast<size_t>(std::max(options.prefetch, 1)) +
                  1);  // one more is with the consumer
    for (Slot& slot : slots_) {
      if (options.augment_on == AugmentOn::kDevice) {
        jobs_.emplace(dataset, side, local_batch_).allocate(slot.batch);
      } else {
        slot.batch.images = Tensor::pinned({2 * local_batch_, side, side, 3}, options.dtype);
      }
      slot.batch.labels = Tensor::pinned({local_batch_}, Dtype::kI64);
      slot.batch.samples = Tensor::empty({local_batch_}, Dtype::kI64);
    }
    const StopSignalsBlocked inherited;
    try {
      for (int i = 0; i < std::max(options.workers, 1); ++i) {
        workers_.push_back(start_thread([this] { work(); }));
      }
    } catch (...) {
      stop();
      throw;
    }
  }
  ~Impl() { stop(); }

  int64_t batches_per_epoch() const { return draws_ / options_.batch_size; }
  double total_waited_s() const { return total_waited_s_; }

  const TwoViewBatch& next() {
    std::unique_lock lock(mutex_);
    Slot& slot = slot_of(next_out_);
    const auto start = std::chrono::steady_clock::now();
    batch_there_.wait(lock, [&] { return slot.number == next_out_ && slot.made == local_batch_; });
    if (slot.failure) std::rethrow_exception(slot.failure);
    slot.batch.waited_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    total_waited_s_ += slot.batch.waited_s;
    free_from_ = next_out_;  // the batch handed out before this one may be overwritten now
    ++next_out_;
    lock.unlock();
    work_there_.notify_all();
    return slot.batch;
  }

  void seek(int64_t epoch, int64_t batch_index) {
    RELA_CHECK(epoch >= 0 && batch_index >= 0 && batch_index < batches_per_epoch(), InternalError,
               "loader: seek to batch ", batch_index, " of epoch ", epoch, "; an epoch has ",
               batches_per_epoch());
    restart_at(epoch * batches_per_epoch() + batch_index, options_.views);
  }

  void switch_views(const std::array<ViewSpec, 2>& views) { restart_at(next_out_, views); }

 private:
  struct Slot {
    TwoViewBatch batch;
    int64_t number = -1;  // of the batch that it holds or is to hold
    int64_t claimed = 0;  // images
    int64_t made = 0;
    std::exception_ptr failure;  // of the first image that failed, by its place in the batch
    int64_t failed = 0;          // its place
  };

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_there_.notify_all();
    for (std::thread& w : workers_) w.join();
  }

  /// Forgets what was made ahead.
  void restart_at(int64_t number, const std::array<ViewSpec, 2>& views) {
    std::unique_lock lock(mutex_);
    paused_ = true;
    batch_there_.wait(lock, [&] { return busy_ == 0; });
    options_.views = views;
    next_out_ = next_in_ = free_from_ = number;
    for (Slot& slot : slots_) slot.number = -1;
    paused_ = false;
    lock.unlock();
    work_there_.notify_all();
  }

  Slot& slot_of(int64_t number) { return slots_[static_cast<size_t>(number) % slots_.size()]; }

  bool can_claim() const {
    return !paused_ && next_in_ < free_from_ + static_cast<int64_t>(slots_.size());
  }

  /// The batch at next_in_ begins.
  void open(Slot& slot) {
    slot.number = next_in_;
    slot.claimed = slot.made = 0;
    slot.failure = nullptr;
    slot.batch.epoch = next_in_ / batches_per_epoch();
    slot.batch.index = next_in_ % batches_per_epoch();
  }

  void work() {
    WorkerMemory memory;
    std::unique_lock lock(mutex_);
    while (true) {
      work_there_.wait(lock, [&] { return stop_ || can_claim(); });
      if (stop_) return;
      Slot& slot = slot_of(next_in_);
      if (slot.number != next_in_) open(slot);
      const int64_t place = slot.claimed++;
      if (slot.claimed == local_batch_) ++next_in_;
      ++busy_;
      lock.unlock();
      std::exception_ptr failure;
      try {
        fill(slot.batch, place, memory);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      --busy_;
      if (failure && (!slot.failure || place < slot.failed)) {
        slot.failure = failure;
        slot.failed = place;
      }
      if (++slot.made == local_batch_ || (paused_ && busy_ == 0)) batch_there_.notify_all();
    }
  }

  Order order_of(int64_t epoch) {
    const std::lock_guard lock(order_mutex_);
    for (const auto& [known, order] : orders_) {
      if (known == epoch && order) return order;
    }
    auto order = std::make_shared<std::vector<int64_t>>();
    draw_epoch_order(options_.seed, static_cast<uint32_t>(epoch), dataset_.size(), draws_, *order);
    orders_[static_cast<size_t>(epoch) % 2] = {epoch, order};
    return order;
  }

  /// Both views of the image at this place of the batch, or what they are made of.
  void fill(TwoViewBatch& batch, int64_t place, WorkerMemory& memory) {
    const int64_t first = batch.index * options_.batch_size + options_.rank * local_batch_;
    const int64_t sample = (*order_of(batch.epoch))[static_cast<size_t>(first + place)];
    std::array<ViewParams, 2> params;
    const auto draw = [&](ImageDims dims) {
      for (uint8_t view = 0; view < 2; ++view) {
        const ViewKey key{options_.seed, static_cast<uint32_t>(batch.epoch),
                          static_cast<uint64_t>(sample), view};
        params[view] = draw_view_params(options_.views[view], dims, key);
      }
    };
    const auto useful = [&](ImageDims dims) {
      draw(dims);
      return std::max(useful_scale(params[0].crop), useful_scale(params[1].crop));
    };
    const LoadedImage image = dataset_.load(sample, useful, memory.decoded);
    draw(image.full);
    batch.samples.data<int64_t>()[place] = image.index;
    batch.labels.data<int64_t>()[place] = image.label;
    if (jobs_) return jobs_->write(image, params, place, batch, memory);
    for (int64_t view = 0; view < 2; ++view) {
      render(image, params[static_cast<size_t>(view)], batch.images, view * local_batch_ + place,
             memory);
    }
  }

  /// A reduced image still has twice the view's pixels along the crop's sides: then a view differs
  /// from one of the whole image by less than a jitter that nobody sees.
  double useful_scale(const CropRect& crop) const {
    const auto shorter = static_cast<double>(std::min(crop.height, crop.width));
    return std::min(1.0, 2 * static_cast<double>(output_.size) / shorter);
  }

  void render(const LoadedImage& image, const ViewParams& params, Tensor& images, int64_t position,
              WorkerMemory& memory) const {
    const Workspace workspace = memory.workspace(view_workspace_bytes(image.pixels.dims, output_));
    const int64_t offset = position * output_.size * output_.size * 3;
    auto* const out = static_cast<std::byte*>(images.raw()) +
                      static_cast<size_t>(offset) * dtype_bytes(options_.dtype);
    render_view_cpu(image.pixels, params, output_, out, workspace, image.scale);
  }

  const ImageDataset& dataset_;
  LoaderOptions options_;
  ViewOutput output_;
  std::optional<ViewJobs> jobs_;  // with AugmentOn::kDevice
  int64_t draws_;
  int64_t local_batch_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable work_there_;
  std::condition_variable batch_there_;
  int64_t next_in_ = 0;    // the batch that the next image to be claimed belongs to
  int64_t next_out_ = 0;   // the next number to be handed out
  int64_t free_from_ = 0;  // slots of lower numbers may be overwritten
  int busy_ = 0;           // workers that render an image
  bool paused_ = false;
  bool stop_ = false;
  double total_waited_s_ = 0;

  std::mutex order_mutex_;
  std::array<std::pair<int64_t, Order>, 2> orders_;  // of the two latest epochs
};

TwoViewLoader::TwoViewLoader(const ImageDataset& dataset, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(dataset, options)) {}
TwoViewLoader::~TwoViewLoader() = default;
int64_t TwoViewLoader::batches_per_epoch() const { return impl_->batches_per_epoch(); }
const TwoViewBatch& TwoViewLoader::next() { return impl_->next(); }
void TwoViewLoader::seek(int64_t epoch, int64_t batch_index) { impl_->seek(epoch, batch_index); }
void TwoViewLoader::switch_views(const std::array<ViewSpec, 2>& views) {
  impl_->switch_views(views);
}
double TwoViewLoader::total_waited_s() const { return impl_->total_waited_s(); }

}  // namespace rela
