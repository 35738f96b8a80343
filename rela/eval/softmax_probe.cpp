#include "rela/eval/softmax_probe.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "kernels/cpu/parallel.h"
#include "kernels/optimizer/optimizer.h"
#include "kernels/random/random_stream.h"
#include "runtime/error.h"
#include "runtime/ops/gather.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

/// What a probe's random stream is drawn for.
enum ProbeStream : uint64_t { kShuffle = 0, kWeights = 1, kBias = 2 };

Tensor uniform(const Shape& shape, double bound, uint64_t seed, ProbeStream stream) {
  RandomStream random({.seed = seed, .sample = stream, .op = RandomOp::kProbe});
  Tensor value = Tensor::empty(shape, Dtype::kF32);
  const auto limit = static_cast<float>(bound);
  for (float& v : value.span<float>()) v = random.uniform(-limit, limit);
  return value;
}

/// Fisher and Yates.
void shuffle(std::span<int64_t> rows, uint64_t seed, int64_t epoch) {
  std::iota(rows.begin(), rows.end(), 0);
  RandomStream random({.seed = seed,
                       .epoch = static_cast<uint32_t>(epoch),
                       .sample = kShuffle,
                       .op = RandomOp::kProbe});
  for (size_t i = rows.size(); i > 1; --i)
    std::swap(rows[i - 1], rows[random.below(static_cast<uint32_t>(i))]);
}

/// One parameter and what its rule remembers. The gradient is fetched from the parameter's device,
/// and the new values are sent there.
class ProbeUpdate {
 public:
  ProbeUpdate(const Var& parameter, const ProbeFit& fit)
      : parameter_(parameter),
        fit_(fit),
        values_(parameter.value().to(Device::kCpu)),
        first_(parameter.value().numel(), 0.0f),
        second_(fit.rule == ProbeRule::kAdam ? first_.size() : 0, 0.0f) {}

  /// Step t of T, t from 0.
  void apply(int64_t t, int64_t total) {
    const Tensor gradient = parameter_grad(parameter_).to(Device::kCpu);
    const float* g = gradient.data<float>();
    fit_.rule == ProbeRule::kAdam ? adam(g, t) : nesterov(g, t, total);
    if (parameter_.device() != Device::kCpu) parameter_.node().value.copy_from(values_);
  }

 private:
  void adam(const float* g, int64_t t) {
    const auto steps = static_cast<double>(t + 1);
    const auto rate = static_cast<float>(fit_.lr / (1 - std::pow(kAdamBeta1, steps)));
    const auto scale = static_cast<float>(1 / (1 - std::pow(kAdamBeta2, steps)));
    float* w = values_.data<float>();
    for (size_t i = 0; i < first_.size(); ++i) {
      first_[i] += static_cast<float>(1 - kAdamBeta1) * (g[i] - first_[i]);
      second_[i] += static_cast<float>(1 - kAdamBeta2) * (g[i] * g[i] - second_[i]);
      w[i] -= rate * first_[i] / (std::sqrt(second_[i] * scale) + static_cast<float>(kAdamEps));
    }
  }

  void nesterov(const float* g, int64_t t, int64_t total) {
    const double share = static_cast<double>(t) / static_cast<double>(total);
    const auto rate = static_cast<float>(fit_.lr * (1 + std::cos(std::numbers::pi * share)) / 2);
    const auto momentum = static_cast<float>(fit_.momentum);
    float* w = values_.data<float>();
    for (size_t i = 0; i < first_.size(); ++i) {
      first_[i] = momentum * first_[i] + g[i];
      w[i] -= rate * (g[i] + momentum * first_[i]);
    }
  }

  Var parameter_;
  const ProbeFit& fit_;
  Tensor values_;              // on the host; on the CPU, the parameter's own
  std::vector<float> first_;   // mean of gradients, or velocity
  std::vector<float> second_;  // mean of their squares
};

/// Work of a step, in multiply-adds of one pass, from which on a second thread pays.
constexpr int64_t kWorthThreads = 16'000'000;

/// Holds kernels to a number of threads while it lives.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : before_(cpu_threads()) { set_cpu_threads(threads); }
  ~ThreadLimit() { set_cpu_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

/// Rows of a feature set, copied side by side on its device.
class Minibatch {
 public:
  Minibatch(const FeatureSet& from, int64_t size)
      : all_features_(from.features),
        all_labels_(from.labels.to(from.device())),
        features_(Tensor::empty({size, from.width()}, Dtype::kF32, from.device())),
        labels_(Tensor::empty({size}, Dtype::kI64, from.device())) {}

  /// rows: [B] i64 on the device
  void gather(const Tensor& rows) {
    Tensor features = features_.slice(0, rows.numel()), labels = labels_.slice(0, rows.numel());
    gather_rows(all_features_, rows, features);
    gather_rows(all_labels_, rows, labels);
    count_ = rows.numel();
  }
  Var features() const { return Var(features_.slice(0, count_)); }
  Tensor labels() const { return labels_.slice(0, count_); }

 private:
  Tensor all_features_, all_labels_;
  Tensor features_, labels_;
  int64_t count_ = 0;
};

}  // namespace

SoftmaxProbe::SoftmaxProbe(int64_t width, int64_t num_classes, uint64_t seed, Device device) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(width));
  weight_ = make_parameter(uniform({num_classes, width}, bound, seed, kWeights).to(device));
  bias_ = make_parameter(uniform({num_classes}, bound, seed, kBias).to(device));
}

void SoftmaxProbe::fit(const FeatureSet& train, const ProbeFit& fit) {
  const int64_t rows = train.size();
  const int64_t batch = std::min(fit.batch_size, rows);
  const int64_t steps = (rows + batch - 1) / batch;  // of an epoch
  const int64_t work = batch * train.width() * train.num_classes;
  const ThreadLimit limit(work < kWorthThreads ? 1 : cpu_threads());
  ProbeUpdate update_weight(weight_, fit), update_bias(bias_, fit);
  Minibatch minibatch(train, batch);
  Tensor order = Tensor::empty({rows}, Dtype::kI64);
  for (int64_t epoch = 0; epoch < fit.epochs; ++epoch) {
    shuffle(order.span<int64_t>(), fit.seed, epoch);
    const Tensor order_there = order.to(train.device());
    double loss_sum = 0;
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t begin = s * batch, count = std::min(batch, rows - begin);
      minibatch.gather(order_there.slice(begin, begin + count));
      zero_grad(weight_);
      zero_grad(bias_);
      const Var loss =
          softmax_cross_entropy(linear(minibatch.features(), weight_, bias_), minibatch.labels());
      backward(loss);
      update_weight.apply(epoch * steps + s, fit.epochs * steps);
      update_bias.apply(epoch * steps + s, fit.epochs * steps);
      loss_sum += static_cast<double>(loss.value().item()) * static_cast<double>(count);
    }
    const double mean = loss_sum / static_cast<double>(rows);
    RELA_CHECK(std::isfinite(mean), NonFiniteError, "linear probe: the loss of epoch ", epoch + 1,
               " is ", mean, " at rate ", fit.lr, "; a finite one is needed; lower the rate");
    if (fit.progress) fit.progress({fit.lr, epoch + 1, fit.epochs, mean});
  }
}

int64_t SoftmaxProbe::count_correct(const FeatureSet& set) const {
  constexpr int64_t kRows = 1024;  // at once
  const NoGradGuard no_grad;
  const int64_t classes = bias_.value().numel();
  int64_t correct = 0;
  for (int64_t begin = 0; begin < set.size(); begin += kRows) {
    const int64_t end = std::min(begin + kRows, set.size());
    const Tensor logits =
        linear(Var(set.features.slice(begin, end)), weight_, bias_).value().to(Device::kCpu);
    for (int64_t i = begin; i < end; ++i) {
      const float* row = logits.data<float>() + (i - begin) * classes;  // [C]
      const int64_t best = std::max_element(row, row + classes) - row;
      correct += best == set.labels.data<int64_t>()[i] ? 1 : 0;
    }
  }
  return correct;
}

}  // namespace rela
