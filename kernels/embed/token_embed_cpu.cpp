#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/embed/token_embed.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

/// Row of the position embedding that is added to a token, -1 if none is.
int64_t position_of(int64_t token, const TokenEmbedDims& d) {
  if (token == 0) return d.class_positions - 1;
  return token <= d.registers ? -1 : token - 1 - d.registers + d.class_positions;
}

template <class T>
void forward(const TokenEmbedForwardArgs& args, const TokenEmbedDims& d) {
  const T* x = static_cast<const T*>(args.x);
  parallel_rows({d.n * d.tokens(), d.width}, [&](int64_t row) {
    const int64_t image = row / d.tokens(), token = row % d.tokens();
    T* y = static_cast<T*>(args.y) + row * d.width;
    const int64_t position = position_of(token, d);
    const auto add = [&](const auto* from) {
      for_lanes(0, d.width, [&](int64_t c, auto lanes) {
        F32x16 v = lanes.load(from + c);
        if (position >= 0) v += lanes.load(args.position + position * d.width + c);
        lanes.store(y + c, v);
      });
    };
    if (token == 0 && d.class_is_mean) {
      for_lanes(0, d.width, [&](int64_t c, auto lanes) {
        F32x16 sum{};
        for (int64_t t = 0; t < d.patches; ++t) {
          sum += lanes.load(x + (image * d.patches + t) * d.width + c);
        }
        F32x16 v = sum / static_cast<float>(d.patches);
        if (position >= 0) v += lanes.load(args.position + position * d.width + c);
        lanes.store(y + c, v);
      });
    } else if (token == 0) {
      add(args.class_token);
    } else if (token <= d.registers) {
      add(args.registers + (token - 1) * d.width);
    } else {
      add(x + (image * d.patches + token - 1 - d.registers) * d.width);
    }
  });
}

template <class T>
void backward_patches(const TokenEmbedBackwardArgs& args, const TokenEmbedDims& d) {
  parallel_rows({d.n * d.patches, d.width}, [&](int64_t row) {
    const int64_t image = row / d.patches, token = row % d.patches + 1 + d.registers;
    const T* dclass = static_cast<const T*>(args.dy) + image * d.tokens() * d.width;
    const T* dy = dclass + token * d.width;
    T* dx = static_cast<T*>(args.dx.data) + row * d.width;
    for_lanes(0, d.width, [&](int64_t c, auto lanes) {
      F32x16 v = lanes.load(dy + c);
      if (d.class_is_mean) v += lanes.load(dclass + c) / static_cast<float>(d.patches);
      if (args.dx.mode == Write::kAccumulate) v += lanes.load(dx + c);
      lanes.store(dx + c, v);
    });
  });
}

/// Sums of sixteen columns over the images.
struct LaneTotals {
  double v[kLanes] = {};
};

template <class T>
LaneTotals sum_over_images(const T* dy, const TokenEmbedDims& d, auto lanes) {
  LaneTotals totals;
  for (int64_t begin = 0; begin < d.n; begin += kTokenEmbedPart) {
    F32x16 part{};
    for (int64_t i = begin; i < std::min(begin + kTokenEmbedPart, d.n); ++i) {
      part += lanes.load(dy + i * d.tokens() * d.width);
    }
    for (int64_t k = 0; k < kLanes; ++k) totals.v[k] += part[k];
  }
  return totals;
}

void write_totals(GradOut out, int64_t at, const LaneTotals& totals, int64_t count) {
  if (out.data == nullptr) return;
  float* to = static_cast<float*>(out.data) + at;
  for (int64_t k = 0; k < count; ++k) {
    const double old = out.mode == Write::kAccumulate ? to[k] : 0.0;
    to[k] = static_cast<float>(old + totals.v[k]);
  }
}

template <class T>
void backward(const TokenEmbedBackwardArgs& args, const TokenEmbedDims& d) {
  if (args.dx.data != nullptr) backward_patches<T>(args, d);
  const bool of_registers = args.dregisters.data != nullptr;
  const bool of_positions = args.dposition.data != nullptr;
  if (args.dclass_token.data == nullptr && !of_registers && !of_positions) return;
  const int64_t tokens = of_positions ? d.tokens() : of_registers ? 1 + d.registers : 1;
  parallel_for(tokens, [&](int64_t token) {
    const int64_t position = position_of(token, d);
    for_lanes(0, d.width, [&](int64_t c, auto lanes) {
      const int64_t at = token * d.width + c, count = std::min(kLanes, d.width - c);
      const LaneTotals totals = sum_over_images(static_cast<const T*>(args.dy) + at, d, lanes);
      if (position >= 0) write_totals(args.dposition, position * d.width + c, totals, count);
      if (token == 0) {
        write_totals(args.dclass_token, c, totals, count);
      } else if (token <= d.registers) {
        write_totals(args.dregisters, at - d.width, totals, count);
      }
    });
  });
}

}  // namespace

void token_embed_forward_cpu(const TokenEmbedForwardArgs& args, const TokenEmbedDims& dims,
                             Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { forward<T>(args, dims); });
}

void token_embed_backward_cpu(const TokenEmbedBackwardArgs& args, const TokenEmbedDims& dims,
                              Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, dims); });
}

}  // namespace rela
