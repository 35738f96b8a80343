#include "kernels/optimizer/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/reduce_parts.h"

namespace rela {
namespace {

/// The work that follows every update: the copy in the compute dtype, and the target.
struct Followers {
  const OptimizerArrays& a;

  void run(int64_t begin, int64_t end) const {
    if (a.compute_weights != nullptr) {
      round(a.weights, static_cast<Bf16*>(a.compute_weights), begin, end);
    }
    const int64_t target_end = end < a.target_size ? end : a.target_size;
    if (a.target == nullptr || begin >= target_end) return;
    const float keep = a.tau.get();
    const float take = 1.0f - keep;
    for (int64_t i = begin; i < target_end; ++i)
      a.target[i] = keep * a.target[i] + take * a.weights[i];
    if (a.compute_target != nullptr) {
      round(a.target, static_cast<Bf16*>(a.compute_target), begin, target_end);
    }
  }

  static void round(const float* from, Bf16* to, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = to_bf16(from[i]);
  }
};

/// Runs update(begin, end, segment) over every segment in pieces that stay in cache, then the
/// followers on each piece while it is hot. Elements are independent, so the split does not affect
/// the result. Does nothing if the gradient is not finite.
template <class Update>
void for_each_piece(const OptimizerArrays& arrays, std::span<const OptimizerSegment> segments,
                    Update&& update) {
  if (arrays.gradient_squares != nullptr && !std::isfinite(*arrays.gradient_squares)) return;
  const Followers followers{arrays};
  for (const OptimizerSegment& s : segments) {
    const int64_t pieces = (s.size + kParallelGrain - 1) / kParallelGrain;
    parallel_for(pieces, [&](int64_t p) {
      const Range r = part_of(s.size, pieces, p);
      update(s.offset + r.begin, s.offset + r.end, s);
      followers.run(s.offset + r.begin, s.offset + r.end);
    });
  }
}

/// g <- scale (unscale g + decay w);  m <- momentum m + g;  w <- w - lr m, ahead: w <- w - lr (g +
/// momentum m).
struct MomentumUpdate {
  float lr;
  float momentum;
  float decay;
  float scale;
  bool ahead = false;
  float unscale = 1.0f;
};
void momentum_update(const OptimizerArrays& a, int64_t begin, int64_t end, const MomentumUpdate u) {
  for (int64_t i = begin; i < end; ++i) {
    const float g = u.scale * (u.unscale * a.gradients[i] + u.decay * a.weights[i]);
    const float m = u.momentum * a.moment1[i] + g;
    a.moment1[i] = m;
    a.weights[i] -= u.lr * (u.ahead ? g + u.momentum * m : m);
  }
}

/// w <- shrink w - step_size m / (sqrt(v) v_scale + eps), after m and v are updated with the
/// gradient.
struct AdamWUpdate {
  float beta1;
  float beta2;
  float eps;
  float v_scale;        // 1 / sqrt(1 - beta2^t)
  float unscale;        // of the gradients
  float step_size = 0;  // lr / (1 - beta1^t)
  float shrink = 1;     // 1 - lr weight_decay
};
/// `u` by value: a reference could be to one of the arrays' floats, and the loop would stay scalar.
void adamw_update(const OptimizerArrays& a, int64_t begin, int64_t end, const AdamWUpdate u) {
  for (int64_t i = begin; i < end; ++i) {
    const float g = u.unscale * a.gradients[i];
    const float m = u.beta1 * a.moment1[i] + (1.0f - u.beta1) * g;
    const float v = u.beta2 * a.moment2[i] + (1.0f - u.beta2) * g * g;
    a.moment1[i] = m;
    a.moment2[i] = v;
    a.weights[i] = u.shrink * a.weights[i] - u.step_size * m / (std::sqrt(v) * u.v_scale + u.eps);
  }
}

struct SquaredNorms {
  double weights = 0;
  double updates = 0;
  SquaredNorms& operator+=(const SquaredNorms& other) {
    weights += other.weights;
    updates += other.updates;
    return *this;
  }
};

/// trust |w| / |g + decay w|; 1 where either norm is 0.
float lars_scale(const OptimizerArrays& a, const OptimizerSegment& s, const LarsArgs& args) {
  const double unscale = a.gradient_scale.get();
  const auto squares = reduce_parts<SquaredNorms>(s.size, [&](int64_t begin, int64_t end) {
    double weights = 0;
    double updates = 0;
    for (int64_t i = s.offset + begin; i < s.offset + end; ++i) {
      const double w = a.weights[i];
      const double g = unscale * a.gradients[i] + args.weight_decay * w;
      weights += w * w;
      updates += g * g;
    }
    return SquaredNorms{weights, updates};
  });
  if (squares.weights == 0 || squares.updates == 0) return 1.0f;
  return static_cast<float>(args.trust_coefficient * std::sqrt(squares.weights / squares.updates));
}

}  // namespace

std::vector<OptimizerPiece> optimizer_pieces(std::span<const OptimizerSegment> segments) {
  std::vector<OptimizerPiece> pieces;
  for (const OptimizerSegment& s : segments) {
    const int64_t count = optimizer_piece_count(s);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t begin = i * kOptimizerPiece;
      pieces.push_back({.offset = s.offset + begin,
                        .size = static_cast<int32_t>(std::min(s.size - begin, kOptimizerPiece)),
                        .index = static_cast<int32_t>(i),
                        .count = static_cast<int32_t>(count),
                        .regularized = s.regularized ? 1 : 0,
                        .lr_scale = s.lr_scale});
    }
  }
  return pieces;
}

void sgd_step_cpu(const OptimizerArrays& arrays, const OptimizerLayout& layout, const SgdArgs& args,
                  Stream) {
  const MomentumUpdate update{.lr = args.lr.get(),
                              .momentum = args.momentum,
                              .decay = args.weight_decay,
                              .scale = 1.0f,
                              .ahead = args.nesterov,
                              .unscale = arrays.gradient_scale.get()};
  for_each_piece(arrays, layout.segments,
                 [&](int64_t begin, int64_t end, const OptimizerSegment& s) {
                   MomentumUpdate u = update;
                   u.lr *= s.lr_scale;
                   if (!s.regularized) u.decay = 0.0f;
                   momentum_update(arrays, begin, end, u);
                 });
}

void adamw_step_cpu(const OptimizerArrays& arrays, const OptimizerLayout& layout,
                    const AdamWArgs& args, Stream) {
  const auto t = static_cast<double>(args.step.get());
  const double bias1 = 1.0 - std::pow(static_cast<double>(args.beta1), t);
  const AdamWUpdate update{.beta1 = args.beta1,
                           .beta2 = args.beta2,
                           .eps = args.eps,
                           .v_scale = static_cast<float>(
                               1.0 / std::sqrt(1.0 - std::pow(static_cast<double>(args.beta2), t))),
                           .unscale = arrays.gradient_scale.get()};
  for_each_piece(arrays, layout.segments,
                 [&](int64_t begin, int64_t end, const OptimizerSegment& s) {
                   AdamWUpdate u = update;
                   const float lr = args.lr.get() * s.lr_scale;
                   u.step_size = static_cast<float>(lr / bias1);
                   u.shrink = s.regularized ? 1.0f - lr * args.weight_decay : 1.0f;
                   adamw_update(arrays, begin, end, u);
                 });
}

void lars_step_cpu(const OptimizerArrays& arrays, const OptimizerLayout& layout,
                   const LarsArgs& args, Stream) {
  for (const OptimizerSegment& segment : layout.segments) {
    const MomentumUpdate update{
        .lr = args.lr.get() * segment.lr_scale,
        .momentum = args.momentum,
        .decay = segment.regularized ? args.weight_decay : 0.0f,
        .scale = segment.regularized ? lars_scale(arrays, segment, args) : 1.0f,
        .unscale = arrays.gradient_scale.get()};
    for_each_piece(arrays, std::span(&segment, 1),
                   [&](int64_t begin, int64_t end, const OptimizerSegment&) {
                     momentum_update(arrays, begin, end, update);
                   });
  }
}

void ema_cpu(float* target, const float* source, int64_t n, Scalar<float> tau, Stream) {
  const float keep = tau.get();
  const float take = 1.0f - keep;
  parallel_ranges(n, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) target[i] = keep * target[i] + take * source[i];
  });
}

}  // namespace rela
