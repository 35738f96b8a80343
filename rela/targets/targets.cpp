#include "rela/targets/targets.h"

#include <chrono>

#include "rela/targets/identity.h"
#include "rela/targets/target_builder.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {

Targets::Targets(RowFile file)
    : file_(std::move(file)), fingerprint_(identity_fingerprint(file_.spec().identity)) {}

Targets Targets::open_or_build(const Prior& prior, const ImageDataset& dataset,
                               const TargetOptions& options, Communicator& ranks) {
  TargetBuilder builder(prior, dataset, options);
  auto targets = builder.open();
  double have = targets ? 1 : 0;
  ranks.sum_on_host({&have, 1});
  if (have == ranks.size()) return *std::move(targets);
  const auto start = std::chrono::steady_clock::now();
  if (ranks.is_first()) builder.begin();
  ranks.barrier();
  builder.make_part(ranks.rank(), ranks.size());
  ranks.barrier();
  if (ranks.is_first()) builder.finish();
  ranks.barrier();
  targets = builder.open();
  RELA_CHECK(targets, IoError, options.path, ": the targets just written cannot be read back",
             builder.why_not().empty() ? "" : ": ", builder.why_not(),
             ranks.is_alone() ? "" : "; all ranks must see the folder of the run");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log_info("targets: ready after ", seconds.count(), " s, kept in ", options.path);
  return *std::move(targets);
}

void Targets::gather(std::span<const int64_t> samples, Tensor& out) const {
  const Shape shape{static_cast<int64_t>(samples.size()), width()};
  RELA_CHECK(out.shape() == shape, ShapeError, "targets: out is ", describe(out), "; f32 ", shape,
             " is needed");
  check(samples);
  file_.check_unchanged();  // checksums were looked at when it was opened
  float* to = out.data<float>();
  for (const int64_t sample : samples) {
    file_.read_rows(sample, {to, static_cast<size_t>(width())});
    to += width();
  }
}

void Targets::check(std::span<const int64_t> samples) const {
  for (const int64_t sample : samples) {
    RELA_CHECK(sample >= 0 && sample < size(), ShapeError, "targets: sample ", sample, " of ",
               size());
  }
}

}  // namespace rela
