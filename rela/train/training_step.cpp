#include "rela/train/training_step.h"

#include <fmt/core.h>

#include <cmath>

#include "rela/train/non_finite.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

ExperimentConfig::CudaGraph graph_mode(const TrainingStep::Options& options, Device device) {
  const bool is_recordable = device == Device::kCuda && options.accum_steps == 1;
  return is_recordable ? options.graph : ExperimentConfig::CudaGraph::kOff;
}

const char* precision_advice(Dtype compute) {
  return compute == Dtype::kF32 ? "" : " or use precision fp32";
}

}  // namespace

TrainingStep::TrainingStep(Phase& phase, LossScale& scale, const Options& options)
    : phase_(phase),
      scale_(scale),
      accum_steps_(options.accum_steps),
      compute_(options.compute),
      probe_seed_(Tensor::full({}, 1.0f / static_cast<float>(options.ranks->size()),
                               phase.parts.front().arena->device())),
      graph_(graph_mode(options, probe_seed_.device())) {
  for (const TrainedPart& part : phase.parts) {
    if (part.optimizer == nullptr) continue;
    if (part.frozen_from) {
      part.optimizer->freeze_from(*part.frozen_from);
    } else {
      part.optimizer->unfreeze();
    }
    if (part.probe == nullptr) part.optimizer->set_gradient_scale(scale.inverse());
    (part.probe == nullptr ? main_ : probes_).push_back(part);
  }
  const auto sums_of = [&](std::span<const TrainedPart> parts) {
    return std::make_unique<GradientSums>(*options.ranks, parts, options.sums);
  };
  main_sums_ = sums_of(main_);
  for (const TrainedPart& part : probes_) probe_sums_.push_back(sums_of({&part, 1}));
}

StepResult TrainingStep::run(int64_t step, DeviceLoader& loader, const StepRates& rates) {
  StepResult result;
  step_ = step;
  begin(rates);
  for (int64_t i = 0; i < accum_steps_; ++i) {
    const MicroStep which{.is_first = i == 0, .is_last = i + 1 == accum_steps_};
    const TwoViewBatch& batch = loader.next();
    prepare(batch);
    graph_.run(batch,
               [&](const TwoViewBatch& inputs, StepOutputs& out) { launch(inputs, which, out); });
    loader.prefetch();
    read(batch, loader.host_labels(), result);
  }
  settle(result.grad_norm);
  return result;
}

void TrainingStep::begin(const StepRates& rates) {
  for (const TrainedPart& part : main_) part.optimizer->begin_step(rates.lr, rates.tau);
}

void TrainingStep::prepare(const TwoViewBatch& batch) {
  phase_.learner->prepare(batch);
  for (const TrainedPart& part : probes_) part.optimizer->begin_step(part.probe_lr, /*tau=*/0);
}

void TrainingStep::launch(const TwoViewBatch& batch, MicroStep which, StepOutputs& out) {
  out.features = Tensor();  // reuse the last step's memory
  out.readback.clear();
  out.gradient_squares.reset();
  if (which.is_first) {
    for (const TrainedPart& part : main_) part.arena->zero_grad();
  }
  if (which.is_last) main_sums_->arm();
  add_gradients(batch, out);
  train_probes(batch.labels, out);
  if (which.is_last) update(out);
}

void TrainingStep::add_gradients(const TwoViewBatch& batch, StepOutputs& out) {
  const Var features = phase_.learner->encode(batch.images);
  const Var loss = phase_.learner->loss(features, batch);
  out.loss = out.readback.add(loss.value());
  backward(loss, scale_.seed());
  out.features = features.value();
}

void TrainingStep::train_probes(const Tensor& labels, StepOutputs& out) {
  for (size_t i = 0; i < probes_.size(); ++i) {
    const TrainedPart& part = probes_[i];
    const Tensor one_view = out.features.slice(0, labels.numel());
    const Var loss = part.probe->loss(one_view, labels, out.readback);
    part.arena->zero_grad();
    backward(loss, probe_seed_);
    probe_sums_[i]->finish();
    part.optimizer->update();
  }
}

void TrainingStep::update(StepOutputs& out) {
  main_sums_->finish();
  const Tensor squares = start_sum_of_squares(main_.front().arena->gradients());
  out.gradient_squares = out.readback.add(squares);
  for (const TrainedPart& part : main_) part.optimizer->update(squares);
}

void TrainingStep::read(const TwoViewBatch& batch, const Tensor& host_labels, StepResult& result) {
  StepOutputs& out = graph_.outputs();
  out.readback.wait();
  result.waited_s += batch.waited_s;
  result.features = out.features;
  const double loss = out.readback[out.loss].item();
  result.loss += loss / static_cast<double>(accum_steps_);
  if (!std::isfinite(loss)) throw_non_finite_loss(batch, result.loss);
  for (const TrainedPart& part : probes_) {
    const Hits hits = part.probe->read(out.readback, host_labels);
    result.hits.correct += hits.correct;
    result.hits.total += hits.total;
  }
  if (out.gradient_squares) {
    result.grad_norm = std::sqrt(as_f64(out.readback[*out.gradient_squares])) / scale_.value();
  }
}

void TrainingStep::settle(double grad_norm) {
  if (std::isfinite(grad_norm)) {
    scale_.count_finite_step();
  } else {
    skip();
  }
}

/// The updates have checked the gradient too, and changed nothing.
void TrainingStep::skip() {
  const double before = scale_.value();
  const std::string scale = fmt::format("{:.9g}", before);
  if (!scale_.is_dynamic() || !scale_.back_off()) {
    throw NonFiniteError(
        cat("step ", step_, ": the gradient is not finite; first seen in ",
            first_non_finite_gradient(*main_.front().arena),
            before > 1 ? cat(", at a loss scale of ", scale) : "",
            "; earlier checkpoints stay as they are; lower optimizer.lr",
            before > 1 ? ", lower loss_scale.value, choose loss_scale.mode dynamic" : "",
            precision_advice(compute_)));
  }
  for (const TrainedPart& part : main_) part.optimizer->forget_step();
  log_info("step ", step_, " is skipped: its gradient is not finite; loss scale ", scale,
           fmt::format(" -> {:.9g}", scale_.value()));
}

void TrainingStep::throw_non_finite_loss(const TwoViewBatch& batch, double loss) {
  const std::string where = first_non_finite(main_, batch.images, [&] {
    phase_.learner->loss(phase_.learner->encode(batch.images), batch);
  });
  throw NonFiniteError(cat("step ", step_, ": the loss is ", loss, "; first seen in ",
                           where.empty() ? "the loss itself" : where,
                           "; earlier checkpoints stay as they are; lower optimizer.lr",
                           precision_advice(compute_)));
}

}  // namespace rela
