#include "rela/targets/feature_pass.h"

#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "rela/run/pass_display.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

RowFile open_or_create(const std::string& path, const RowFileSpec& spec) {
  try {
    std::optional<RowFile> file = RowFile::open(path, FileAccess::kWrite);
    if (file && file->spec() == spec) return *std::move(file);
    if (file) log_info("targets: ", path, " is of another prior or data set; starting it anew");
  } catch (const WeightsError& damage) {
    log_warning("targets: ", damage.what(), "; starting it anew");
  }
  return RowFile::create(path, spec);
}

void check_finite(const Tensor& rows, int64_t first_image, const Prior& prior) {
  if (count_nonfinite(rows) == 0) return;
  const float* y = rows.data<float>();
  int64_t i = 0;
  while (std::isfinite(y[i])) ++i;
  throw NonFiniteError(cat("targets: feature ", i % prior.width(), " of image ",
                           first_image + i / prior.width(), " is ", y[i],
                           "; finite ones are needed; check the weights of the prior (",
                           prior.description(), ") and rela.prior.normalize"));
}

}  // namespace

FeaturePass::FeaturePass(const std::string& path, const Prior& prior, const ImageDataset& dataset,
                         const std::string& identity)
    : prior_(prior),
      dataset_(dataset),
      file_(open_or_create(path, {.rows = dataset.size(),
                                  .width = prior.width(),
                                  .block_rows = kBatch,
                                  .identity = identity})) {}

void FeaturePass::run(int rank, int rank_count, ProgressDisplay::Style progress) {
  const Range part = part_of(file_.spec().blocks(), rank_count, rank);
  std::vector<int64_t> open;
  int64_t images = 0;
  for (int64_t b = part.begin; b < part.end; ++b) {
    if (file_.block_is_good(b)) continue;
    open.push_back(b);
    images += file_.rows_of_block(b);
  }
  const auto kept = part.end - part.begin - static_cast<int64_t>(open.size());
  if (kept > 0) {
    log_info("targets: ", kept, " of ", part.end - part.begin,
             " batches were made before an interruption and are kept");
  }
  EvalLoader loader(dataset_, prior_.eval_options(kBatch));
  PassDisplay display(progress, "targets", PassDisplay::Seconds(0));
  int64_t done = 0;
  if (!open.empty()) loader.seek(open.front() * kBatch);
  for (size_t i = 0; i < open.size(); ++i) {
    const EvalBatch& batch = *loader.next();
    const Tensor padded = prior_.embed(batch.images);
    if (i + 1 < open.size()) {
      loader.seek(open[i + 1] * kBatch);
      loader.prefetch();
    }
    const Tensor rows = padded.slice(0, batch.size()).to(Device::kCpu);  // [kBatch or fewer, p]
    check_finite(rows, batch.begin, prior_);
    file_.write_block(open[i], rows.span<float>());
    done += batch.size();
    display.show(done, images);
  }
  file_.sync();
}

}  // namespace rela
