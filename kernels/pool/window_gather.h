#pragma once
// Backward of pooling on the CPU.

#include "kernels/cpu/parallel.h"
#include "kernels/pool/channel_block.h"
#include "kernels/pool/pool2d_dims.h"

namespace rela {

/// dx = scale * what add(sum, window, place, count) adds for every window that covers the pixel:
/// `window` is its element in dy, `place` the pixel's index in it. Each input pixel gathers, so
/// that no two threads write to the same element. `add` should capture by value: its loops then
/// vectorise.
template <class T, class Add>
void gather_from_windows(const Pool2dDims& d, float scale, GradOut out, Add&& add) {
  parallel_for(d.n * d.h, [&](int64_t row) {
    const int64_t n = row / d.h, h = row % d.h;
    const IndexRange ps = covering(d, h, d.p());
    for (int64_t w = 0; w < d.w; ++w) {
      const IndexRange qs = covering(d, w, d.q());
      T* dx = static_cast<T*>(out.data) + (row * d.w + w) * d.c;
      for_channel_blocks(d.c, [&](int64_t c, auto count) {
        ChannelBlock sum{};
        for (int64_t p = ps.begin; p < ps.end; ++p) {
          for (int64_t q = qs.begin; q < qs.end; ++q) {
            const int64_t window = ((n * d.p() + p) * d.q() + q) * d.c + c;
            const int64_t r = h + d.padding - p * d.stride, s = w + d.padding - q * d.stride;
            add(sum, window, r * d.kernel + s, count);
          }
        }
        store_block(sum, scale, dx + c, out.mode, count);
      });
    }
  });
}

}  // namespace rela
