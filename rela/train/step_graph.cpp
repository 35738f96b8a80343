#include "rela/train/step_graph.h"

#include "runtime/allocator.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {
namespace {

void place(Tensor& to, const Tensor& from) {
  const MemoryUseGuard use(MemoryUse::kData);
  if (!to.defined()) to = Tensor::empty(from.shape(), from.dtype(), from.device());
  to.copy_from(from);
}

}  // namespace

void StepGraph::stage(const TwoViewBatch& batch) {
  place(inputs_.images, batch.images);
  place(inputs_.labels, batch.labels);
}

void StepGraph::run(const TwoViewBatch& batch, const StepFn& step) {
  const bool is_off = failed_ || mode_ == ExperimentConfig::CudaGraph::kOff;
  if (is_off || runs_++ < kEagerSteps) return step(batch, outputs_);
  const bool changed = inputs_.images.defined() && inputs_.images.shape() != batch.images.shape();
  if (changed) return step(batch, outputs_);
  stage(batch);
  if (!work_) {
    outputs_.features = Tensor();
    work_.emplace();
  }
  const auto work = [&] { step(inputs_, outputs_); };
  if (!work_->is_recorded() && warmed_up_ && record(step)) {
    log_info("step recorded as a graph of ", work_->nodes(), " nodes");
  }
  if (work_ && work_->is_recorded()) {
    work_->replay();
    outputs_.readback.expect_again();
  } else if (failed_) {
    work();
  } else {
    warmed_up_ = work_->warm_up(work) || runs_ > kEagerSteps + kWarmUps;
  }
}

bool StepGraph::record(const StepFn& step) {
  try {
    work_->record([&] { step(inputs_, outputs_); });
    return true;
  } catch (const Error& e) {
    failed_ = true;
    outputs_ = {};
    work_.reset();
    RELA_CHECK(mode_ != ExperimentConfig::CudaGraph::kOn, InternalError,
               "cuda_graph: the step cannot be recorded: ", e.what(),
               "; \"auto\" runs it without a graph");
    log_info("cuda_graph: steps run without a graph: ", e.what());
    return false;
  }
}

}  // namespace rela
