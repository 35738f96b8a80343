#include "kernels/embed/token_embed.h"

#include <algorithm>

#include "kernels/pool/subsample_pad.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<TokenEmbedForwardFn> kForward{"token_embed", token_embed_forward_cpu,
                                                RELA_CUDA_KERNEL(token_embed_forward_cuda)};
const KernelTable<TokenEmbedBackwardFn> kBackward{"token_embed backward", token_embed_backward_cpu,
                                                  RELA_CUDA_KERNEL(token_embed_backward_cuda)};

// Order of the inputs on the tape.
enum Input : uint8_t { kX, kPosition, kClassToken, kRegisters };

/// Whether a shape is `needed`, or that behind axes of 1.
bool is_or_ends_in(const Shape& shape, const Shape& needed) {
  const auto dims = shape.dims(), tail = needed.dims();
  if (dims.size() < tail.size()) return false;
  const auto split = dims.end() - static_cast<std::ptrdiff_t>(tail.size());
  return std::equal(split, dims.end(), tail.begin()) &&
         std::all_of(dims.begin(), split, [](int64_t size) { return size == 1; });
}

void check_embedding(const char* name, const Tensor& t, const Shape& needed, const Tensor& x) {
  RELA_CHECK(t.dtype() == Dtype::kF32 && is_or_ends_in(t.shape(), needed), ShapeError,
             "token_embed: ", name, " is ", describe(t), "; x ", describe(x), " needs f32 ",
             needed);
  check_same_device("token_embed", x, name, t);
}

TokenEmbedDims checked_dims(const Tensor& x, const TokenEmbedParams& params) {
  check_activation("token_embed", x);
  RELA_CHECK(x.shape().rank() == 3, ShapeError, "token_embed: x ", describe(x),
             "; embedded patches are [N, T, D]");
  TokenEmbedDims d{.n = x.shape()[0],
                   .patches = x.shape()[1],
                   .width = x.shape()[2],
                   .class_positions = params.class_position ? 1 : 0};
  d.class_is_mean = !params.class_token.defined();
  RELA_CHECK(!d.class_is_mean || d.patches > 0, ShapeError, "token_embed: x ", describe(x),
             " has no patches whose mean could be the class token");
  if (!d.class_is_mean) check_embedding("class_token", params.class_token.value(), {d.width}, x);
  check_embedding("position", params.position.value(), {d.positions(), d.width}, x);
  if (params.registers.defined()) {
    const Tensor& registers = params.registers.value();
    d.registers = d.width == 0 ? 0 : registers.numel() / d.width;
    check_embedding("registers", registers, {d.registers, d.width}, x);
  }
  return d;
}

void backward(const TokenEmbedDims& d, const Tensor& dy, GradSink& to) {
  TokenEmbedBackwardArgs args{.dy = dy.raw(), .dx = to.out(kX), .dposition = to.out(kPosition)};
  if (!d.class_is_mean) args.dclass_token = to.out(kClassToken);
  if (d.registers > 0) args.dregisters = to.out(d.class_is_mean ? kClassToken : kRegisters);
  kBackward.launch(dy.device(), args, d, dy.dtype());
}

}  // namespace

Var token_embed(const Var& x, const TokenEmbedParams& params) {
  const TokenEmbedDims d = checked_dims(x.value(), params);
  Tensor y = Tensor::empty({d.n, d.tokens(), d.width}, x.dtype(), x.device());
  TokenEmbedForwardArgs args{
      .x = x.value().raw(), .position = params.position.value().ptr<float>(), .y = y.raw()};
  std::vector<Var> inputs{x, params.position};
  if (!d.class_is_mean) {
    args.class_token = params.class_token.value().ptr<float>();
    inputs.push_back(params.class_token);
  }
  if (params.registers.defined()) {
    args.registers = params.registers.value().ptr<float>();
    inputs.push_back(params.registers);
  }
  kForward.launch(x.device(), args, d, x.dtype());
  return record("token_embed", std::move(y), std::move(inputs),
                [d](const Tensor& dy, GradSink& to) { backward(d, dy, to); });
}

namespace {

// A column of T pixels of which every T-th is kept.
const KernelTable<SubsamplePadForwardFn> kFirstForward{
    "class_token", subsample_pad_forward_cpu, RELA_CUDA_KERNEL(subsample_pad_forward_cuda)};
const KernelTable<SubsamplePadBackwardFn> kFirstBackward{
    "class_token backward", subsample_pad_backward_cpu,
    RELA_CUDA_KERNEL(subsample_pad_backward_cuda)};

}  // namespace

Var class_token(const Var& x) {
  check_activation("class_token", x.value());
  const Shape& s = x.shape();
  RELA_CHECK(s.rank() == 3 && s[1] >= 1, ShapeError, "class_token: x ", describe(x.value()),
             "; tokens are [N, T, D]");
  const SubsamplePadDims d{.n = s[0], .h = s[1], .w = 1, .c = s[2], .stride = s[1]};
  Tensor y = Tensor::empty({s[0], s[2]}, x.dtype(), x.device());
  kFirstForward.launch(x.device(), d, x.value().raw(), y.raw(), x.dtype());
  return record("class_token", std::move(y), {x}, [d](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) {
      kFirstBackward.launch(dy.device(), d, dy.raw(), GradOut{dx.raw(), mode}, dy.dtype());
    });
  });
}

}  // namespace rela
