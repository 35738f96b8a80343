#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "rela/eval/features.h"
#include "rela/eval/result.h"

namespace rela {

/// How far a probe is. Called after every epoch.
struct ProbeProgress {
  double lr = 0;      // of the run that is going on
  int64_t epoch = 0;  // finished, from 1
  int64_t epochs = 0;
  double loss = 0;  // mean training loss of the epoch
};
using ProbeCallback = std::function<void(const ProbeProgress&)>;

// A softmax classifier on frozen features, started from U(-1/sqrt(D), 1/sqrt(D)), trained on
// minibatches of a fresh shuffle per epoch (the last, smaller one included). No weight decay, no
// augmentation. Runs on the device of the features. Bit-equal for equal options and features; for
// any number of threads, too, while batch_size x D x classes is below 16 million: such small steps
// run on one.

/// ReLA's protocol: Adam at a constant rate.
struct AdamProbeOptions {
  double lr = 3e-4;
  int64_t batch_size = 128;
  int64_t epochs = 100;
  uint64_t seed = 0;
  ProbeCallback progress{};
};
/// Protocol "linear_rela". Throws ConfigError for options out of range, DataError for an empty
/// training set, ShapeError for widths that differ, NonFiniteError for a loss that is.
EvalResult adam_probe(const FeatureSet& train, const FeatureSet& test,
                      const AdamProbeOptions& options = {});

/// BYOL's protocol (Grill et al. 2020, appendix C.1): SGD with Nesterov momentum, rate decayed
/// along a cosine to 0; the rate is the one of `lrs` with most correct on a random tenth of the
/// training images held out (equal counts: the first), then the whole training set is fitted anew.
struct SgdProbeOptions {
  std::vector<double> lrs{0.4, 0.3, 0.2, 0.1, 0.05};
  double momentum = 0.9;
  double holdout = 0.1;
  int64_t batch_size = 1024;  // a smaller training set is one batch
  int64_t epochs = 80;
  uint64_t seed = 0;
  ProbeCallback progress{};
};
/// Protocol "linear_sgd"; settings tell the chosen rate and each candidate's held-out count.
/// Throws like adam_probe.
EvalResult sgd_probe(const FeatureSet& train, const FeatureSet& test,
                     const SgdProbeOptions& options = {});

}  // namespace rela
