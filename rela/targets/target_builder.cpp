#include "rela/targets/target_builder.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "rela/targets/identity.h"
#include "rela/targets/whitening.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTargetBlock = 4096;  // rows per checksum

/// The result of checking a file of targets.
struct Lookup {
  std::optional<RowFile> file;  // set if it contains all of the targets
  std::string refusal;          // why not; empty if there is no file
};

Lookup look_up(const std::string& path, const std::string& identity) {
  try {
    std::optional<RowFile> file = RowFile::open(path, FileAccess::kRead);
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
  for (int64_t b = 0; b < features.spec().blocks(); ++b) sums.add(features.read_block(b));
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
  std::vector<float> y, z(static_cast<size_t>(kTargetBlock * whitening.out));
  for (int64_t b = 0; b < spec.blocks(); ++b) {
    const auto rows = static_cast<size_t>(file.rows_of_block(b));
    y.resize(rows * static_cast<size_t>(whitening.in));
    features.read_rows(b * kTargetBlock, y);
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

TargetBuilder::TargetBuilder(const Prior& prior, const ImageDataset& dataset, TargetOptions options)
    : prior_(prior),
      dataset_(dataset),
      options_(std::move(options)),
      wanted_(wanted_width(prior, dataset, options_)),
      identity_(target_identity(prior, dataset, wanted_)) {
  options_.path = replaceable_file(options_.path);
  RowFile::check_replaceable(options_.path);
}

std::string TargetBuilder::fingerprint() const { return identity_fingerprint(identity_); }

std::optional<Targets> TargetBuilder::open() {
  Lookup found = look_up(options_.path, identity_);
  why_not_ = std::move(found.refusal);
  if (!found.file) return std::nullopt;
  return Targets(*std::move(found.file));
}

void TargetBuilder::begin() {
  make_directories(fs::absolute(options_.path).parent_path().string());
  lock_ = std::make_unique<FileLock>(options_.path + ".lock",
                                     "the folder of the targets must be writable");
  if (!lock_->try_take()) {
    log_info("targets: another process is making them; waiting for it");
    lock_->take();
  }
  is_done_ = open().has_value();  // another process may have made them in the meantime
  if (is_done_) return;
  if (!why_not_.empty()) log_warning("targets: ", why_not_, "; making them anew");
  log_info("targets: making ", wanted_, " numbers for each of ", dataset_.size(), " images with ",
           prior_.description());
  pass_.emplace(features_path(), prior_, dataset_, identity_);
}

void TargetBuilder::make_part(int rank, int ranks) {
  if (!pass_ && !is_done_) is_done_ = open().has_value();
  if (is_done_) return;
  if (!pass_) pass_.emplace(features_path(), prior_, dataset_, identity_);
  pass_->run(rank, ranks, options_.progress);
}

void TargetBuilder::finish() {
  if (!is_done_) {
    const RowFile& features = pass_.value().features();
    const std::optional<int64_t> missing = features.first_bad_block();
    RELA_CHECK(!missing, IoError, "targets: ", features.path(), ": batch ", missing.value_or(0),
               " of ", features.spec().blocks(),
               " is not in it, though it was written: the file was changed meanwhile; start again, "
               "what is left of it is kept");
    write_targets(options_.path, features, whitening_of(features, wanted_));
    pass_.reset();
    remove_tree(features_path());
    is_done_ = true;
  }
  lock_.reset();
}

}  // namespace rela
