#include "kernels/norm/batch_norm.h"

#include <utility>

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<BatchNormWorkspaceFn> kWorkspaceBytes{
    "batch_norm workspace", batch_norm_workspace_bytes_cpu,
    RELA_CUDA_KERNEL(batch_norm_workspace_bytes_cuda)};
const KernelTable<BatchNormForwardFn> kForward{"batch_norm", batch_norm_forward_cpu,
                                               RELA_CUDA_KERNEL(batch_norm_forward_cuda)};
const KernelTable<BatchNormBackwardFn> kBackward{"batch_norm backward", batch_norm_backward_cpu,
                                                 RELA_CUDA_KERNEL(batch_norm_backward_cuda)};

const KernelTable<BatchNormSumsFn> kSums{"batch_norm sums", batch_norm_sums_cpu,
                                         RELA_CUDA_KERNEL(batch_norm_sums_cuda)};
const KernelTable<BatchNormGradientSumsFn> kGradientSums{
    "batch_norm gradient sums", batch_norm_gradient_sums_cpu,
    RELA_CUDA_KERNEL(batch_norm_gradient_sums_cuda)};
const KernelTable<BatchNormMergedBackwardFn> kMergedBackward{
    "batch_norm merged backward", batch_norm_merged_backward_cpu,
    RELA_CUDA_KERNEL(batch_norm_merged_backward_cuda)};

// Order of the inputs on the tape.
enum Input : uint8_t { kX, kGamma, kBeta, kResidual };

void check_channels(const char* name, const Tensor& t, const Tensor& x) {
  RELA_CHECK(t.defined() && t.dtype() == Dtype::kF32 && t.shape() == Shape{x.shape().back()},
             ShapeError, "batch_norm: ", name, " is ", describe(t), "; x ", describe(x),
             " needs f32 [", x.shape().back(), "]");
  check_same_device("batch_norm", x, name, t);
}

void check_inputs(const Var& x, const BatchNormParams& params, const BatchNormOptions& options,
                  const std::optional<Var>& residual) {
  const Tensor& value = x.value();
  check_activation("batch_norm", value);
  RELA_CHECK(value.shape().rank() >= 2, ShapeError, "batch_norm: x is ", describe(value),
             "; it needs rows and channels, [..., C]");
  check_channels("gamma", params.gamma.value(), value);
  check_channels("beta", params.beta.value(), value);
  check_channels("running_mean", params.running_mean, value);
  check_channels("running_var", params.running_var, value);
  RELA_CHECK(options.groups >= 1 && value.shape().rows() % options.groups == 0, ShapeError,
             "batch_norm: ", value.shape().rows(), " rows of x ", describe(value), " in ",
             options.groups, " groups; groups must divide the rows equally");
  RELA_CHECK(options.ranks == nullptr || value.numel() > 0, ShapeError, "batch_norm: x is ",
             describe(value), "; with several ranks each needs rows and channels");
  if (!residual) return;
  RELA_CHECK(residual->shape() == x.shape() && residual->dtype() == x.dtype(), ShapeError,
             "batch_norm: residual ", describe(residual->value()), " for x ", describe(value),
             "; shape and dtype must agree");
  check_same_device("batch_norm", value, "residual", residual->value());
}

/// What the backward pass needs from the forward pass.
struct Saved {
  BatchNormConfig config;
  BatchNormDims dims;
  Tensor x;
  Tensor y;     // undefined if the ReLU's mask is computed from x, or
  Tensor mask;  // was written by the forward pass
  Tensor gamma;
  Tensor beta;
  Tensor mean;
  Tensor inv_std;
  bool has_residual = false;
  Communicator* ranks = nullptr;
};

/// Sums that the ranks add up.
class RankSums {
 public:
  RankSums(const BatchNormDims& dims, Device device)
      : count_(norm_sums_count(dims)),
        memory_(static_cast<size_t>(count_) * sizeof(double), device) {}
  double* data() { return static_cast<double*>(memory_.data()); }
  void add_up(Communicator& ranks) { ranks.sum({memory_.data(), count_, WireType::kF64}); }

 private:
  int64_t count_;
  Scratch memory_;
};

void launch_backward(const Saved& saved, const BatchNormBackwardArgs& args, Device device) {
  Scratch scratch(kWorkspaceBytes.at(device)(saved.dims), device);
  if (saved.config.statistics != NormStatistics::kMerged) {
    kBackward.launch(device, args, saved.config, saved.dims, scratch.workspace());
    return;
  }
  RankSums sums(saved.dims, device);
  kGradientSums.launch(device, args, saved.config, saved.dims, sums.data(), scratch.workspace());
  sums.add_up(*saved.ranks);
  kMergedBackward.launch(device, args, saved.config, saved.dims, sums.data(), scratch.workspace());
}

void launch_forward(BatchNormForwardArgs args, const BatchNormConfig& config,
                    const BatchNormDims& dims, Communicator* ranks, Device device) {
  Scratch scratch(kWorkspaceBytes.at(device)(dims), device);
  if (config.statistics != NormStatistics::kMerged) {
    kForward.launch(device, args, config, dims, scratch.workspace());
    return;
  }
  RankSums sums(dims, device);
  kSums.launch(device, args, config, dims, sums.data(), scratch.workspace());
  sums.add_up(*ranks);
  args.sums = sums.data();
  kForward.launch(device, args, config, dims, scratch.workspace());
}

void backward(const Saved& saved, const Tensor& dy, GradSink& to) {
  const GradOut dx = to.out(kX);  // before the residual's: x may be the residual
  const bool masks_dresidual = saved.has_residual && saved.config.relu;
  const BatchNormBackwardArgs args{.dy = dy.raw(),
                                   .x = saved.x.raw(),
                                   .y = saved.y.raw(),
                                   .mask = static_cast<const uint8_t*>(saved.mask.raw()),
                                   .gamma = saved.gamma.ptr<float>(),
                                   .beta = saved.beta.ptr<float>(),
                                   .mean = saved.mean.ptr<float>(),
                                   .inv_std = saved.inv_std.ptr<float>(),
                                   .dx = dx,
                                   .dresidual = masks_dresidual ? to.out(kResidual) : GradOut{},
                                   .dgamma = to.out(kGamma),
                                   .dbeta = to.out(kBeta)};
  launch_backward(saved, args, dy.device());
  if (saved.has_residual && !saved.config.relu) to.give(kResidual, dy);
}

NormStatistics statistics_of(const BatchNormOptions& options) {
  if (options.mode == NormMode::kEval) return NormStatistics::kRunning;
  return options.ranks == nullptr ? NormStatistics::kBatch : NormStatistics::kMerged;
}

}  // namespace

Var batch_norm(const Var& x, BatchNormParams& params, const BatchNormOptions& options,
               const std::optional<Var>& residual) {
  check_inputs(x, params, options, residual);
  const int64_t channels = x.shape().back();
  const Device device = x.device();
  const int64_t rows = x.shape().rows() / options.groups;
  const BatchNormDims dims{.groups = options.groups, .rows = rows, .channels = channels};
  const BatchNormConfig config{.statistics = statistics_of(options),
                               .dtype = x.dtype(),
                               .relu = options.relu,
                               .momentum = options.momentum,
                               .eps = options.eps};
  Tensor y = Tensor::empty(x.shape(), x.dtype(), device);
  Tensor mean = Tensor::empty({options.groups, channels}, Dtype::kF32, device);
  Tensor inv_std = Tensor::empty({options.groups, channels}, Dtype::kF32, device);
  const bool needs_mask = residual && options.relu && !grad_disabled();
  Tensor mask;
  if (needs_mask && device == Device::kCuda)
    mask = Tensor::empty({x.shape().rows(), batch_norm_mask_bytes(channels)}, Dtype::kU8, device);
  const BatchNormForwardArgs args{.x = x.value().raw(),
                                  .residual = residual ? residual->value().raw() : nullptr,
                                  .y = y.raw(),
                                  .gamma = params.gamma.value().ptr<float>(),
                                  .beta = params.beta.value().ptr<float>(),
                                  .running_mean = params.running_mean.ptr<float>(),
                                  .running_var = params.running_var.ptr<float>(),
                                  .mean = mean.ptr<float>(),
                                  .inv_std = inv_std.ptr<float>(),
                                  .mask = static_cast<uint8_t*>(mask.raw())};
  launch_forward(args, config, dims, options.ranks, device);
  std::vector<Var> inputs{x, params.gamma, params.beta};
  if (residual) inputs.push_back(*residual);
  Saved saved{.config = config,
              .dims = dims,
              .x = x.value(),
              .y = needs_mask && !mask.defined() ? y : Tensor(),
              .mask = std::move(mask),
              .gamma = params.gamma.value(),
              .beta = params.beta.value(),
              .mean = std::move(mean),
              .inv_std = std::move(inv_std),
              .has_residual = residual.has_value(),
              .ranks = options.ranks};
  return record(
      "batch_norm", std::move(y), std::move(inputs),
      [saved = std::move(saved)](const Tensor& dy, GradSink& to) { backward(saved, dy, to); });
}

}  // namespace rela
