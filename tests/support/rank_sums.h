#pragma once
// Batch norm over the rows of two ranks, computed by one process.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/communicator.h"
#include "runtime/comm/shards.h"
#include "runtime/cuda.h"
#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {

/// One of two ranks on cuda whose sums of f64 are replayed: each sum is noted, and what the other
/// rank noted for it in an earlier round, if anything, is added.
class ReplayedRank : public Communicator {
 public:
  /// Starts a round in which the other rank says these.
  void start(std::vector<std::vector<double>> theirs) {
    theirs_ = std::move(theirs);
    mine_.clear();
  }
  const std::vector<std::vector<double>>& mine() const { return mine_; }

  int rank() const override { return 0; }
  int size() const override { return 2; }
  void sum(const WireBuffer& buffer) override {
    std::vector<double> values(static_cast<size_t>(buffer.count));
    copy(values.data(), buffer.data, values.size(), CopyKind::kDeviceToHost);
    const size_t at = mine_.size();
    mine_.push_back(values);
    if (at >= theirs_.size()) return;
    for (size_t i = 0; i < values.size(); ++i) values[i] += theirs_[at][i];
    copy(buffer.data, values.data(), values.size(), CopyKind::kHostToDevice);
  }
  void begin_sum(const WireBuffer& buffer) override { sum(buffer); }
  void finish_sums() override {}
  std::vector<std::string> gather(std::string_view message) override {
    return {std::string(message), std::string(message)};
  }
  void sum_on_host(std::span<double> /*numbers*/) override {}
  void barrier() override {}

 private:
  static void copy(void* to, const void* from, size_t count, CopyKind kind) {
    cuda_copy(to, from, count * sizeof(double), kind);
  }

  std::vector<std::vector<double>> mine_;
  std::vector<std::vector<double>> theirs_;
};

struct RankNormCase {
  Dtype dtype = Dtype::kF32;
  bool relu = false;
  bool residual = false;
  int64_t channels = 33;
};

/// The results of a layer for some rows of x: y, dx, dresidual, and what it leaves behind.
struct NormResults {
  Array y, dx, dresidual, dgamma, dbeta, running_mean, running_var;
};

/// x, dy, residual: [2 * rows, C], two groups.
inline NormResults run_norm(const RankNormCase& c, const Tensor& x, const Tensor& dy,
                            const Tensor& residual, Device device, Communicator* ranks) {
  const auto there = [&](const Tensor& t) { return t.to(device); };
  BatchNormParams params{.gamma = make_parameter(there(Tensor::full({c.channels}, 1.5f))),
                         .beta = make_parameter(there(Tensor::full({c.channels}, 0.25f))),
                         .running_mean = there(Tensor::full({c.channels}, 0.5f)),
                         .running_var = there(Tensor::full({c.channels}, 1.0f))};
  const Var anchor = make_parameter(there(Tensor::zeros({1}, Dtype::kF32)));
  Tensor dx, dresidual;
  const Var in =
      record("input", there(x), {anchor}, [&](const Tensor& d, GradSink&) { dx = d.clone(); });
  std::optional<Var> added;
  if (c.residual) {
    added = record("residual", there(residual), {anchor},
                   [&](const Tensor& d, GradSink&) { dresidual = d.clone(); });
  }
  const Var out = batch_norm(in, params, {.groups = 2, .relu = c.relu, .ranks = ranks}, added);
  const Array y = to_array(out.value().to(Device::kCpu));
  backward(out, there(dy));
  const auto host = [](const Tensor& t) { return to_array(t.to(Device::kCpu)); };
  return {y,
          host(dx),
          c.residual ? host(dresidual) : Array(),
          host(parameter_grad(params.gamma)),
          host(parameter_grad(params.beta)),
          host(params.running_mean),
          host(params.running_var)};
}

/// Of a group on each rank: they differ.
inline constexpr int64_t kRankRows[2] = {70, 41};
inline constexpr int64_t kAllRankRows = kRankRows[0] + kRankRows[1];

/// A rank's rows of what one process has: group after group, in each rank after rank.
inline Array rows_of_rank(const Array& all, size_t rank, int64_t channels) {
  const int64_t count = kRankRows[rank] * channels;
  Array mine(Shape{2 * kRankRows[rank], channels});
  for (int64_t g = 0; g < 2; ++g) {
    const int64_t from = (g * kAllRankRows + (rank == 0 ? 0 : kRankRows[0])) * channels;
    for (int64_t i = 0; i < count; ++i) mine[g * count + i] = all[from + i];
  }
  return mine;
}

/// The rows of both ranks, as one process has them.
inline Tensor join_ranks(const Tensor& first, const Tensor& second) {
  Tensor all = Tensor::empty({2 * kAllRankRows, first.shape()[1]}, first.dtype());
  for (int64_t g = 0; g < 2; ++g) {
    const auto part = [&](const Tensor& t, int64_t rows) {
      return t.slice(g * rows, (g + 1) * rows);
    };
    const int64_t begin = g * kAllRankRows, middle = begin + kRankRows[0];
    all.slice(begin, middle).copy_from(part(first, kRankRows[0]));
    all.slice(middle, begin + kAllRankRows).copy_from(part(second, kRankRows[1]));
  }
  return all;
}

/// What two ranks with different data get: threads of this process.
inline std::vector<NormResults> run_rank_threads(const RankNormCase& c,
                                                 const std::vector<std::vector<Tensor>>& data) {
  std::vector<NormResults> got(2);
  run_in_shards({.count = 2}, [&](Communicator& ranks) {
    const auto me = static_cast<size_t>(ranks.rank());
    got[me] = run_norm(c, data[me][0], data[me][1], data[me][2], Device::kCpu, &ranks);
  });
  return got;
}

/// The same on cuda, where one thread does all: each rank's sums are noted, then replayed.
inline std::vector<NormResults> replay_ranks(const RankNormCase& c,
                                             const std::vector<std::vector<Tensor>>& data) {
  std::vector<std::vector<std::vector<double>>> said(2);
  std::vector<NormResults> got(2);
  for (size_t round = 0; round < 3; ++round) {  // sums of forward, sums of backward, results
    auto heard = said;
    for (size_t r = 0; r < 2; ++r) {
      ReplayedRank rank;
      heard[1 - r].resize(std::min(heard[1 - r].size(), round));
      rank.start(heard[1 - r]);
      got[r] = run_norm(c, data[r][0], data[r][1], data[r][2], Device::kCuda, &rank);
      said[r] = rank.mine();
    }
  }
  return got;
}

/// Empty if two ranks get what one process gets that has the rows of both.
inline std::string check_norm_over_ranks(const RankNormCase& c, Device device) {
  Random random(7);
  std::vector<std::vector<Tensor>> data(2);  // by rank: x, dy, residual
  for (size_t r = 0; r < 2; ++r) {
    const Shape shape{2 * kRankRows[r], c.channels};
    for (int i = 0; i < 3; ++i) data[r].push_back(to_tensor(random_array(shape, random), c.dtype));
  }
  const auto joined = [&](size_t which) { return join_ranks(data[0][which], data[1][which]); };
  const NormResults whole = run_norm(c, joined(0), joined(1), joined(2), device, nullptr);
  const std::vector<NormResults> got =
      device == Device::kCpu ? run_rank_threads(c, data) : replay_ranks(c, data);
  std::string text;
  const auto compare = [&](const char* what, Dtype dtype, const Array& mine, const Array& want) {
    // Both sides are rounded to the dtype.
    const RoundingModel model{.dtype = dtype, .reduction = 2 * kAllRankRows, .roundings = 2};
    text += difference(what, mine, want, tolerance_of(model, want));
  };
  for (size_t r = 0; r < 2; ++r) {
    const auto rows = [&](const Array& all) { return rows_of_rank(all, r, c.channels); };
    compare("y", c.dtype, got[r].y, rows(whole.y));
    compare("dx", c.dtype, got[r].dx, rows(whole.dx));
    if (c.residual) compare("dresidual", c.dtype, got[r].dresidual, rows(whole.dresidual));
    compare("running_mean", Dtype::kF32, got[r].running_mean, whole.running_mean);
    compare("running_var", Dtype::kF32, got[r].running_var, whole.running_var);
  }
  const auto sum = [](Array a, const Array& b) {
    for (int64_t i = 0; i < a.numel(); ++i) a[i] += b[i];
    return a;
  };
  compare("dgamma", Dtype::kF32, sum(got[0].dgamma, got[1].dgamma), whole.dgamma);
  compare("dbeta", Dtype::kF32, sum(got[0].dbeta, got[1].dbeta), whole.dbeta);
  return text;
}

/// With and without what is fused, on whole rows of vectors and on ragged ones.
inline std::vector<RankNormCase> rank_norm_cases(std::span<const Dtype> dtypes) {
  std::vector<RankNormCase> cases;
  for (const Dtype dtype : dtypes) {
    for (const int64_t channels : {33, 64}) {
      cases.push_back({dtype, false, false, channels});
      cases.push_back({dtype, true, false, channels});
      cases.push_back({dtype, true, true, channels});
    }
  }
  return cases;
}

}  // namespace rela::test
