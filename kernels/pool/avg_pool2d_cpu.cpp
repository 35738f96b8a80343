#include "kernels/pool/avg_pool2d.h"

#include "kernels/cpu/parallel.h"
#include "kernels/pool/channel_block.h"
#include "kernels/pool/window_gather.h"
#include "kernels/storage_type.h"

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

template <class T>
void backward(const Pool2dDims& d, const T* dy, GradOut dx) {
  gather_from_windows<T>(d, window_share(d), dx,
                         [=](ChannelBlock& sum, int64_t window, int64_t, auto count) {
                           add_block(sum, dy + window, count);
                         });
}

}  // namespace

void avg_pool2d_forward_cpu(const Pool2dDims& dims, const void* x, void* y, Dtype dtype, Stream) {
  with_cpu_storage_type(
      dtype, [&]<class T>(T*) { forward(dims, static_cast<const T*>(x), static_cast<T*>(y)); });
}

void avg_pool2d_backward_cpu(const Pool2dDims& dims, const void* dy, GradOut dx, Dtype dtype,
                             Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward(dims, static_cast<const T*>(dy), dx); });
}

}  // namespace rela
