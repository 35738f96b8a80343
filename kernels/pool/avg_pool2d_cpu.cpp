#include "kernels/pool/avg_pool2d.h"

#include "kernels/cpu/parallel.h"
#include "kernels/pool/channel_block.h"

namespace rela {
namespace {

float window_share(const Pool2dDims& d) { return 1.0f / static_cast<float>(d.kernel * d.kernel); }

template <class T>
void forward(const Pool2dDims& d, const T* x, T* y) {
  parallel_for(d.n * d.p(), [&](int64_t row) {
    const int64_t n = row / d.p();
    const IndexRange hs = covered_by(d, row % d.p(), d.h);
    for (int64_t q = 0; q < d.q(); ++q) {
      const IndexRange ws = covered_by(d, q, d.w);
      for_channel_blocks(d.c, [&](int64_t c, auto count) {
        ChannelBlock sum{};
        for (int64_t h = hs.begin; h < hs.end; ++h) {
          for (int64_t w = ws.begin; w < ws.end; ++w) {
            add_block(sum, x + ((n * d.h + h) * d.w + w) * d.c + c, count);
          }
        }
        store_block(sum, window_share(d), y + (row * d.q() + q) * d.c + c, Write::kOverwrite,
                    count);
      });
    }
  });
}

/// Each input pixel gathers from the windows that cover it.
template <class T>
void backward(const Pool2dDims& d, const T* dy, GradOut out) {
  parallel_for(d.n * d.h, [&](int64_t row) {
    const int64_t n = row / d.h;
    const IndexRange ps = covering(d, row % d.h, d.p());
    for (int64_t w = 0; w < d.w; ++w) {
      const IndexRange qs = covering(d, w, d.q());
      T* dx = static_cast<T*>(out.data) + (row * d.w + w) * d.c;
      for_channel_blocks(d.c, [&](int64_t c, auto count) {
        ChannelBlock sum{};
        for (int64_t p = ps.begin; p < ps.end; ++p) {
          for (int64_t q = qs.begin; q < qs.end; ++q) {
            add_block(sum, dy + ((n * d.p() + p) * d.q() + q) * d.c + c, count);
          }
        }
        store_block(sum, window_share(d), dx + c, out.mode, count);
      });
    }
  });
}

}  // namespace

void avg_pool2d_forward_cpu(const Pool2dDims& dims, const void* x, void* y, Dtype dtype, Stream) {
  if (dtype == Dtype::kBf16) {
    forward(dims, static_cast<const Bf16*>(x), static_cast<Bf16*>(y));
  } else {
    forward(dims, static_cast<const float*>(x), static_cast<float*>(y));
  }
}

void avg_pool2d_backward_cpu(const Pool2dDims& dims, const void* dy, GradOut dx, Dtype dtype,
                             Stream) {
  if (dtype == Dtype::kBf16) {
    backward(dims, static_cast<const Bf16*>(dy), dx);
  } else {
    backward(dims, static_cast<const float*>(dy), dx);
  }
}

}  // namespace rela
