// One block updates one piece of a segment: every array is read and written once.

#include <cmath>

#include "kernels/gpu/elementwise.h"
#include "kernels/gpu/reduce.h"
#include "kernels/optimizer/optimizer.h"

namespace rela {
namespace {

constexpr int kThreads = kReduceThreads;
constexpr int kFour = 4;  // elements per access: 16 bytes of f32, 8 of a copy

template <class T>
__device__ inline T read(const Scalar<T>& s) {
  return s.pointer == nullptr ? s.value : *s.pointer;
}

struct F32x4 {
  float v[kFour];
};
__device__ inline F32x4 load4(const float* p) {
  const float4 x = simt::load16<float4>(p);
  return {{x.x, x.y, x.z, x.w}};
}
__device__ inline void store4(float* p, const F32x4& x) {
  simt::store16(p, make_float4(x.v[0], x.v[1], x.v[2], x.v[3]));
}
template <class T>
__device__ inline void store4(T* p, const F32x4& x) {
  static_assert(sizeof(T) == 2);
  *reinterpret_cast<uint2*>(p) = make_uint2(pack2<T>(x.v[0], x.v[1]), pack2<T>(x.v[2], x.v[3]));
}

/// g <- scale (g + decay w);  m <- momentum m + g;  w <- w - lr m, ahead: w <- w - lr (g + momentum
/// m). For SGD, and for LARS with the scales of its segments.
struct MomentumRule {
  static constexpr bool kHasSecondMoment = false;
  Scalar<float> lr;
  float momentum;
  float weight_decay;
  bool ahead;
  const float* scales;  // at the first piece of each regularized segment; null: all 1

  struct Numbers {
    float lr, decay, scale;
  };
  __device__ Numbers numbers(const OptimizerPiece& piece) const {
    const bool adapts = scales != nullptr && piece.regularized != 0;
    return {read(lr) * piece.lr_scale, piece.regularized != 0 ? weight_decay : 0.0f,
            adapts ? scales[static_cast<int64_t>(blockIdx.x) - piece.index] : 1.0f};
  }
  __device__ float updated(const Numbers& n, float w, float gradient, float& m, float&) const {
    const float g = n.scale * (gradient + n.decay * w);
    m = momentum * m + g;
    return w - n.lr * (ahead ? g + momentum * m : m);
  }
};

/// w <- shrink w - step_size m / (sqrt(v) v_scale + eps), after m and v are updated with the
/// gradient.
struct AdamWRule {
  static constexpr bool kHasSecondMoment = true;
  AdamWArgs args;
  float log_beta1, log_beta2;

  struct Numbers {
    float step_size;  // lr / (1 - beta1^t)
    float v_scale;    // 1 / sqrt(1 - beta2^t)
    float shrink;     // 1 - lr weight_decay
  };
  __device__ Numbers numbers(const OptimizerPiece& piece) const {
    const float rate = read(args.lr) * piece.lr_scale;
    const float t = static_cast<float>(read(args.step));
    // 1 - beta^t = -expm1(t log beta): exact to rounding where beta^t is close to 1.
    return {rate / -expm1f(t * log_beta1), 1.0f / sqrtf(-expm1f(t * log_beta2)),
            piece.regularized != 0 ? 1.0f - rate * args.weight_decay : 1.0f};
  }
  __device__ float updated(const Numbers& n, float w, float g, float& m, float& v) const {
    m = args.beta1 * m + (1.0f - args.beta1) * g;
    v = args.beta2 * v + (1.0f - args.beta2) * g * g;
    return n.shrink * w - n.step_size * m / (sqrtf(v) * n.v_scale + args.eps);
  }
};

/// How many groups of four are in a piece, if 16 bytes can be accessed at once.
__device__ inline int groups_of(const OptimizerPiece& piece, bool aligned) {
  return aligned && piece.offset % kFour == 0 ? piece.size / kFour : 0;
}

/// T: the compute dtype, of the copies.
template <class Rule, class T>
__global__ void __launch_bounds__(kThreads)
    step_kernel(OptimizerArrays a, const OptimizerPiece* pieces, Rule rule, bool aligned) {
  if (a.gradient_squares != nullptr && !std::isfinite(*a.gradient_squares)) return;  // every block
  const OptimizerPiece piece = pieces[blockIdx.x];
  const typename Rule::Numbers numbers = rule.numbers(piece);
  T* const compute_weights = static_cast<T*>(a.compute_weights);
  T* const compute_target = static_cast<T*>(a.compute_target);
  const float unscale = read(a.gradient_scale);
  const bool has_target = a.target != nullptr && piece.offset < a.target_size;
  const float keep = has_target ? read(a.tau) : 1.0f;
  const float take = 1.0f - keep;
  const int groups = groups_of(piece, aligned);
  for (int group = static_cast<int>(threadIdx.x); group < groups; group += kThreads) {
    const int64_t i = piece.offset + group * kFour;
    F32x4 w = load4(a.weights + i);
    const F32x4 g = load4(a.gradients + i);
    F32x4 m = load4(a.moment1 + i);
    F32x4 v{};
    if constexpr (Rule::kHasSecondMoment) v = load4(a.moment2 + i);
#pragma unroll
    for (int k = 0; k < kFour; ++k) {
      w.v[k] = rule.updated(numbers, w.v[k], unscale * g.v[k], m.v[k], v.v[k]);
    }
    store4(a.weights + i, w);
    store4(a.moment1 + i, m);
    if constexpr (Rule::kHasSecondMoment) store4(a.moment2 + i, v);
    if (compute_weights != nullptr) store4(compute_weights + i, w);
    if (!has_target) continue;
    F32x4 target = load4(a.target + i);
#pragma unroll
    for (int k = 0; k < kFour; ++k) target.v[k] = keep * target.v[k] + take * w.v[k];
    store4(a.target + i, target);
    if (compute_target != nullptr) store4(compute_target + i, target);
  }
  for (int tail = groups * kFour + static_cast<int>(threadIdx.x); tail < piece.size;
       tail += kThreads) {
    const int64_t i = piece.offset + tail;
    float m = a.moment1[i];
    float v = Rule::kHasSecondMoment ? a.moment2[i] : 0.0f;
    const float w = rule.updated(numbers, a.weights[i], unscale * a.gradients[i], m, v);
    a.weights[i] = w;
    a.moment1[i] = m;
    if constexpr (Rule::kHasSecondMoment) a.moment2[i] = v;
    if (compute_weights != nullptr) store_f32(compute_weights + i, w);
    if (!has_target) continue;
    const float target = keep * a.target[i] + take * w;
    a.target[i] = target;
    if (compute_target != nullptr) store_f32(compute_target + i, target);
  }
}

template <class Rule>
void launch_step(const OptimizerArrays& a, const OptimizerLayout& layout, const Rule& rule,
                 Stream stream) {
  const int64_t pieces = layout.num_pieces();
  if (pieces == 0) return;
  const bool aligned = aligned16(a.weights, a.gradients, a.moment1, a.moment2, a.compute_weights,
                                 a.target, a.compute_target);
  const simt::LaunchConfig config{static_cast<unsigned>(pieces), kThreads};
  if (a.compute == Dtype::kF16) {
    simt::launch(step_kernel<Rule, F16>, config, stream, a, layout.pieces, rule, aligned);
  } else {
    simt::launch(step_kernel<Rule, Bf16>, config, stream, a, layout.pieces, rule, aligned);
  }
}

/// Squares of weights and of decayed gradients over one piece.
struct SquaredNorms {
  double weights;
  double updates;
};

__global__ void __launch_bounds__(kThreads)
    lars_norms_kernel(OptimizerArrays a, float decay, const OptimizerPiece* pieces, bool aligned,
                      SquaredNorms* norms) {
  const OptimizerPiece piece = pieces[blockIdx.x];
  if (piece.regularized == 0) return;  // the whole block
  const float unscale = read(a.gradient_scale);
  float ww = 0;  // at most 16 squares per thread
  float gg = 0;
  const auto add = [&](float w, float gradient) {
    const float g = unscale * gradient + decay * w;
    ww += w * w;
    gg += g * g;
  };
  const int groups = groups_of(piece, aligned);
  for (int group = static_cast<int>(threadIdx.x); group < groups; group += kThreads) {
    const int64_t i = piece.offset + group * kFour;
    const F32x4 w = load4(a.weights + i);
    const F32x4 g = load4(a.gradients + i);
#pragma unroll
    for (int k = 0; k < kFour; ++k) add(w.v[k], g.v[k]);
  }
  for (int tail = groups * kFour + static_cast<int>(threadIdx.x); tail < piece.size;
       tail += kThreads) {
    add(a.weights[piece.offset + tail], a.gradients[piece.offset + tail]);
  }
  const double weight_squares = block_sum(static_cast<double>(ww));
  const double update_squares = block_sum(static_cast<double>(gg));
  if (threadIdx.x == 0) norms[blockIdx.x] = {weight_squares, update_squares};
}

/// One warp per piece, active only for the first piece of a segment: trust |w| / |g + decay w|; 1
/// where either norm is 0.
__global__ void __launch_bounds__(kThreads)
    lars_scales_kernel(const SquaredNorms* norms, const OptimizerPiece* pieces, int64_t num_pieces,
                       float trust, float* scales) {
  const int64_t p = static_cast<int64_t>(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
  if (p >= num_pieces) return;  // whole warps, here and below
  const OptimizerPiece piece = pieces[p];
  if (piece.index != 0 || piece.regularized == 0) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  double weights = 0;
  double updates = 0;
  for (int i = lane; i < piece.count; i += 32) {
    weights += norms[p + i].weights;
    updates += norms[p + i].updates;
  }
  weights = warp_sum(weights);
  updates = warp_sum(updates);
  if (lane != 0) return;
  const bool is_zero = weights == 0 || updates == 0;
  scales[p] = is_zero ? 1.0f : static_cast<float>(trust * sqrt(weights / updates));
}

__global__ void __launch_bounds__(kElementwiseThreads)
    ema_kernel(float* target, const float* source, FlatRange range, Scalar<float> tau) {
  const float keep = read(tau);
  const float take = 1.0f - keep;
  for_each_element(
      range,
      [=](int64_t i) {
        F32x8 t = load8(target + i);
        const F32x8 s = load8(source + i);
#pragma unroll
        for (int k = 0; k < kVector; ++k) t.v[k] = keep * t.v[k] + take * s.v[k];
        store8(target + i, t);
      },
      [=](int64_t i) { target[i] = keep * target[i] + take * source[i]; });
}

}  // namespace

void sgd_step_cuda(const OptimizerArrays& arrays, const OptimizerLayout& layout,
                   const SgdArgs& args, Stream stream) {
  const MomentumRule rule{.lr = args.lr,
                          .momentum = args.momentum,
                          .weight_decay = args.weight_decay,
                          .ahead = args.nesterov,
                          .scales = nullptr};
  launch_step(arrays, layout, rule, stream);
}

void adamw_step_cuda(const OptimizerArrays& arrays, const OptimizerLayout& layout,
                     const AdamWArgs& args, Stream stream) {
  const AdamWRule rule{.args = args,
                       .log_beta1 = static_cast<float>(std::log(static_cast<double>(args.beta1))),
                       .log_beta2 = static_cast<float>(std::log(static_cast<double>(args.beta2)))};
  launch_step(arrays, layout, rule, stream);
}

size_t lars_workspace_bytes_cuda(const OptimizerLayout& layout) {
  return static_cast<size_t>(layout.num_pieces()) * (sizeof(SquaredNorms) + sizeof(float));
}

void lars_step_cuda(const OptimizerArrays& arrays, const OptimizerLayout& layout,
                    const LarsArgs& args, Stream stream) {
  const int64_t pieces = layout.num_pieces();
  if (pieces == 0) return;
  SquaredNorms* norms = static_cast<SquaredNorms*>(arrays.workspace.data);  // [pieces]
  float* scales = reinterpret_cast<float*>(norms + pieces);                 // [pieces]
  simt::launch(lars_norms_kernel, {static_cast<unsigned>(pieces), kThreads}, stream, arrays,
               args.weight_decay, layout.pieces, aligned16(arrays.weights, arrays.gradients),
               norms);
  simt::launch(lars_scales_kernel,
               {static_cast<unsigned>(ceil_div(pieces, kThreads / 32)), kThreads}, stream, norms,
               layout.pieces, pieces, args.trust_coefficient, scales);
  const MomentumRule rule{.lr = args.lr,
                          .momentum = args.momentum,
                          .weight_decay = args.weight_decay,
                          .ahead = false,
                          .scales = scales};
  launch_step(arrays, layout, rule, stream);
}

void ema_cuda(float* target, const float* source, int64_t n, Scalar<float> tau, Stream stream) {
  if (n == 0) return;
  const FlatRange range = flat_range(n, target, source);
  simt::launch(ema_kernel, {elementwise_blocks(range), kElementwiseThreads}, stream, target, source,
               range, tau);
}

}  // namespace rela
