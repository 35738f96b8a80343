#include "kernels/augment/normalize_u8.h"
#include "kernels/gpu/elementwise.h"

namespace rela {
namespace {

constexpr int kBytes = 16;  // elements that a thread reads at once

struct ThreeScales {
  float factor[3];
  float shift[3];
};

/// Sixteen elements per thread: one 16-byte access in, two (bf16) or four (f32) out. 16 mod 3 is 1,
/// so group i starts at channel i mod 3.
template <class T>
__global__ void __launch_bounds__(kElementwiseThreads)
    normalize_u8_kernel(const uint8_t* x, T* y, int64_t n, int64_t groups, ThreeScales s) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t group = first; group < groups; group += step) {
    const uint4 q = simt::load16<uint4>(x + group * kBytes);
    const unsigned words[4] = {q.x, q.y, q.z, q.w};
    int c = static_cast<int>(group % 3);
    F32x8 out[2];
#pragma unroll
    for (int k = 0; k < kBytes; ++k) {
      const float byte = static_cast<float>(words[k / 4] >> (k % 4 * 8) & 0xffu);
      const float factor = c == 0 ? s.factor[0] : c == 1 ? s.factor[1] : s.factor[2];
      const float shift = c == 0 ? s.shift[0] : c == 1 ? s.shift[1] : s.shift[2];
      out[k / kVector].v[k % kVector] = byte * factor + shift;
      c = c == 2 ? 0 : c + 1;
    }
    store8(y + group * kBytes, out[0]);
    store8(y + group * kBytes + kVector, out[1]);
  }
  for (int64_t i = groups * kBytes + first; i < n; i += step) {
    const int c = static_cast<int>(i % 3);
    store_f32(y + i, static_cast<float>(x[i]) * s.factor[c] + s.shift[c]);
  }
}

}  // namespace

void normalize_u8_cuda(const NormalizeU8Args& args, int64_t pixels, Dtype dtype, Stream stream) {
  const int64_t n = 3 * pixels;
  if (n == 0) return;
  const PixelScale scale = pixel_scale(args.normalization);
  ThreeScales scales{};
  for (size_t c = 0; c < 3; ++c) {
    scales.factor[c] = scale.factor[c];
    scales.shift[c] = scale.shift[c];
  }
  const int64_t groups = aligned16(args.x, args.y) ? n / kBytes : 0;
  const int64_t items = std::max(groups, n - groups * kBytes);
  constexpr int64_t kMostBlocks = 1 << 20;
  const auto blocks =
      static_cast<unsigned>(std::min(ceil_div(items, kElementwiseThreads), kMostBlocks));
  with_storage_type(dtype, [&]<class T>(T*) {
    simt::launch(normalize_u8_kernel<T>, {blocks, kElementwiseThreads}, stream, args.x,
                 static_cast<T*>(args.y), n, groups, scales);
  });
}

}  // namespace rela
