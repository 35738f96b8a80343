#include "rela/targets/targets.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "rela/targets/feature_pass.h"
#include "rela/targets/identity.h"
#include "rela/targets/whitening.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/file_lock.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTargetBlock = 4096;  // rows signed together

/// What a file of targets is worth.
struct Lookup {
  std::optional<RowFile> file;  // when it holds all of the wanted targets
  std::string refusal;          // why not; empty where there is no file
};

Lookup look_up(const std::string& path, const std::string& identity) {
  try {
    std::optional<RowFile> file = RowFile::open(path, RowFile::Access::kRead);
    if (!file) return {};
    const std::string other = identity_differences(file->spec().identity, identity);
    if (!other.empty()) return {{}, cat(path, " holds those of another ", other)};
    const std::optional<int64_t> bad = file->first_bad_block();
    if (!bad) return {std::move(file), ""};
    return {{},
            cat(path, " is damaged (block ", *bad, " of ", file->spec().blocks(),
                " does not match its checksum)")};
  } catch (const WeightsError& damage) {
    return {{}, damage.what()};
  }
}

Whitening whitening_of(const RowFile& features, int64_t wanted) {
  CovarianceAccumulator sums(features.spec().width);
  for (int64_t b = 0; b < features.spec().blocks(); ++b) sums.add(features.block(b));
  Whitening whitening = make_whitening(sums, wanted);
  if (whitening.dropped > 0) {
    log_warning("targets: ", whitening.dropped, " of ", wanted,
                " directions dropped, their variance is below 1e-6 of the largest; ", whitening.out,
                " are left",
                sums.count() <= wanted
                    ? cat(" (", sums.count(), " images span no more than ", sums.count() - 1, ")")
                    : "");
  }
  return whitening;
}

/// Writes the targets of all rows; the file appears complete or not at all.
void write_targets(const std::string& path, const RowFile& features, const Whitening& whitening) {
  const RowFileSpec spec{.rows = features.spec().rows,
                         .width = whitening.out,
                         .block_rows = kTargetBlock,
                         .identity = features.spec().identity};
  const std::string unfinished = path + ".unfinished";
  RowFile file = RowFile::create(unfinished, spec);
  std::vector<float> z(static_cast<size_t>(kTargetBlock * whitening.out));
  for (int64_t b = 0; b < spec.blocks(); ++b) {
    const auto rows = static_cast<size_t>(std::min(kTargetBlock, spec.rows - b * kTargetBlock));
    const std::span<const float> y(features.row(b * kTargetBlock).data(),
                                   rows * static_cast<size_t>(whitening.in));
    const std::span<float> out(z.data(), rows * static_cast<size_t>(whitening.out));
    whitening.apply(y, out);
    file.write_block(b, out);
  }
  file.sync();
  std::error_code failure;
  fs::rename(unfinished, path, failure);
  RELA_CHECK(!failure, IoError, path, ": cannot be put in place: ", failure.message());
  sync_directory(fs::path(path).parent_path().string());
}

int64_t wanted_width(const Prior& prior, const ImageDataset& dataset,
                     const TargetOptions& options) {
  const int64_t wanted = options.pca_dim.value_or(std::min(options.student_width, prior.width()));
  RELA_CHECK(wanted <= prior.width(), ConfigError, "rela.pca_dim: ", wanted, ", but the prior (",
             prior.description(), ") has ", prior.width(), " features; at most as many");
  RELA_CHECK(dataset.size() >= 2, DataError, "targets: ", dataset.size(),
             " images; their variance needs at least 2");
  return wanted;
}

}  // namespace

Targets::Targets(RowFile file)
    : file_(std::move(file)), fingerprint_(identity_fingerprint(file_.spec().identity)) {}

Targets Targets::open_or_build(const Prior& prior, const ImageDataset& dataset,
                               const TargetOptions& options) {
  const int64_t wanted = wanted_width(prior, dataset, options);
  const std::string identity = target_identity(prior, dataset, wanted);
  if (auto found = look_up(options.path, identity).file) return Targets(*std::move(found));
  make_directories(fs::absolute(options.path).parent_path().string());
  FileLock lock(options.path + ".lock", "the folder of the targets must be writable");
  if (!lock.try_take()) {
    log_info("targets: another process is making them; waiting for it");
    lock.take();
  }
  Lookup found = look_up(options.path, identity);  // another process may have made them meanwhile
  if (found.file) return Targets(*std::move(found.file));
  if (!found.refusal.empty()) log_warning("targets: ", found.refusal, "; making them anew");

  const auto start = std::chrono::steady_clock::now();
  log_info("targets: making ", wanted, " numbers for each of ", dataset.size(), " images with ",
           prior.description());
  const std::string features_path = options.path + ".features";
  {
    FeaturePass pass(features_path, prior, dataset, identity);
    pass.run(0, 1, options.progress);
    write_targets(options.path, pass.features(), whitening_of(pass.features(), wanted));
  }
  remove_tree(features_path);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log_info("targets: made in ", seconds.count(), " s, kept in ", options.path);
  found = look_up(options.path, identity);
  RELA_CHECK(found.file, IoError, options.path,
             ": the targets just written cannot be read back: ", found.refusal);
  return Targets(*std::move(found.file));
}

void Targets::gather(std::span<const int64_t> samples, Tensor& out) const {
  const Shape shape{static_cast<int64_t>(samples.size()), width()};
  RELA_CHECK(out.shape() == shape, ShapeError, "targets: out is ", describe(out), "; f32 ", shape,
             " is needed");
  float* to = out.data<float>();
  for (const int64_t sample : samples) {
    RELA_CHECK(sample >= 0 && sample < size(), ShapeError, "targets: sample ", sample, " of ",
               size());
    const std::span<const float> z = file_.row(sample);
    to = std::copy(z.begin(), z.end(), to);
  }
}

}  // namespace rela
