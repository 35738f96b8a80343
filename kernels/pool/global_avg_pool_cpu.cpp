#include "kernels/pool/global_avg_pool.h"

#include "kernels/cpu/parallel.h"
#include "kernels/pool/channel_block.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

/// In the memory of an image.
int64_t rows_of(const GlobalPoolDims& d) { return d.skipped + d.pixels; }

float pixel_share(const GlobalPoolDims& d) { return 1.0f / static_cast<float>(d.pixels); }

template <class T>
void forward(const GlobalPoolDims& d, const T* x, T* y) {
  parallel_for(d.n, [&](int64_t n) {
    for_channel_blocks(d.c, [&](int64_t c, auto count) {
      ChannelBlock sum{};
      for (int64_t i = d.skipped; i < rows_of(d); ++i)
        add_block(sum, x + (n * rows_of(d) + i) * d.c + c, count);
      store_block(sum, pixel_share(d), y + n * d.c + c, Write::kOverwrite, count);
    });
  });
}

template <class T>
void backward(const GlobalPoolDims& d, const T* dy, GradOut out) {
  parallel_for(d.n, [&](int64_t n) {
    for_channel_blocks(d.c, [&](int64_t c, auto count) {
      ChannelBlock g{};
      add_block(g, dy + n * d.c + c, count);
      for (int64_t i = 0; i < rows_of(d); ++i) {
        T* dx = static_cast<T*>(out.data) + (n * rows_of(d) + i) * d.c + c;
        store_block(i < d.skipped ? ChannelBlock{} : g, pixel_share(d), dx, out.mode, count);
      }
    });
  });
}

}  // namespace

void global_avg_pool_forward_cpu(const GlobalPoolDims& dims, const void* x, void* y, Dtype dtype,
                                 Stream) {
  with_cpu_storage_type(
      dtype, [&]<class T>(T*) { forward(dims, static_cast<const T*>(x), static_cast<T*>(y)); });
}

void global_avg_pool_backward_cpu(const GlobalPoolDims& dims, const void* dy, GradOut dx,
                                  Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward(dims, static_cast<const T*>(dy), dx); });
}

}  // namespace rela
