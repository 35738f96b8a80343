#include "rela/data/eval_loader.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <utility>

#include "kernels/augment/resize.h"
#include "kernels/cpu/parallel.h"
#include "rela/data/worker_memory.h"

namespace rela {
namespace {

/// What one thread needs to prepare images.
struct Bench {
  WorkerMemory memory;
  std::vector<float> planes;
};

void resize_center(const ImageView& image, const EvalOptions& options, bool is_photo,
                   Bench& bench) {
  const int64_t side = options.image_size;
  const double ratio = is_photo ? options.photos.ratio : options.resize_ratio;
  const bool fits = image.dims.height == side && image.dims.width == side;
  const auto shorter =
      fits ? side : static_cast<int64_t>(std::llround(ratio * static_cast<double>(side)));
  ResizeArgs args = center_resize_args(image.dims, std::max(shorter, side), side);
  if (is_photo) {
    args.filter = options.photos.filter;
    args.rounding = ResizeRounding::kBytes;
  }
  bench.planes.resize(static_cast<size_t>(3 * side * side));
  resize_cpu(image, args, bench.planes.data(),
             bench.memory.workspace(resize_workspace_bytes(args)));
}

}  // namespace

EvalLoader::EvalLoader(const ImageDataset& dataset, const EvalOptions& options)
    : dataset_(dataset), options_(options) {
  if (options.device != Device::kCpu) {
    options_.batch_size = std::max<int64_t>(std::min(options.batch_size, dataset.size()), 1);
    upload_.emplace();
  }
  const int64_t side = options.image_size;
  images_ = Tensor::pinned({options_.batch_size, side, side, 3}, options.dtype);
  labels_ = Tensor::empty({options_.batch_size}, Dtype::kI64);
}

const EvalBatch* EvalLoader::next() {
  if (upload_) {
    prefetch();
    if (ahead_) upload_->advance();
  } else {
    ahead_ = load();
  }
  if (!ahead_) return nullptr;
  batch_ = *std::exchange(ahead_, std::nullopt);
  return &batch_;
}

void EvalLoader::prefetch() {
  if (!upload_ || ahead_) return;
  upload_->wait();  // images_ is about to be filled anew
  const std::optional<EvalBatch> host = load();
  if (!host) return;
  if (host->size() < options_.batch_size) {
    images_.slice(host->size(), options_.batch_size).fill_zero();
  }
  ahead_ = {upload_->start({&images_, 1})[0], host->labels.clone(), host->begin};
}

void EvalLoader::seek(int64_t position) {
  position_ = position;
  ahead_.reset();
}

std::optional<EvalBatch> EvalLoader::load() {
  const int64_t count = std::min(options_.batch_size, dataset_.size() - position_);
  if (count <= 0) return std::nullopt;
  const int64_t parts = std::min<int64_t>(cpu_threads(), count);
  // An exception must not leave a parallel loop: the first one in the data set's order is kept.
  std::vector<std::exception_ptr> failures(static_cast<size_t>(parts));
  parallel_for(parts, [&](int64_t part) {
    const Range r = part_of(count, parts, part);
    try {
      fill(r.begin, r.end);
    } catch (...) {
      failures[static_cast<size_t>(part)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  const int64_t begin = std::exchange(position_, position_ + count);
  return EvalBatch{images_.slice(0, count), labels_.slice(0, count), begin};
}

void EvalLoader::fill(int64_t begin, int64_t end) {
  const int64_t pixels = options_.image_size * options_.image_size;
  Bench bench;
  for (int64_t i = begin; i < end; ++i) {
    const LoadedImage image = dataset_.load(position_ + i, {}, bench.memory.decoded);
    resize_center(image.pixels, options_, dataset_.has_many_sizes(), bench);
    auto* const out = static_cast<std::byte*>(images_.raw()) +
                      static_cast<size_t>(i * pixels * 3) * dtype_bytes(options_.dtype);
    normalize_cpu(bench.planes.data(), out, options_.dtype, pixels, options_.normalization);
    labels_.data<int64_t>()[i] = image.label;
  }
}

}  // namespace rela
