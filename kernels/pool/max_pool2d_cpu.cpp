#include "kernels/pool/max_pool2d.h"

#include <bit>

#include "kernels/cpu/parallel.h"
#include "kernels/pool/channel_block.h"
#include "kernels/pool/window_gather.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

/// Keeps, per channel, the largest value so far and where it was.
struct Best {
  ChannelBlock value;
  std::array<int32_t, kChannelBlock> place;
};

template <class T>
void start(Best& best, const T* x, int32_t place, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    best.value[static_cast<size_t>(i)] = to_float(x[i]);
    best.place[static_cast<size_t>(i)] = place;
  }
}

template <class T>
void improve(Best& best, const T* x, int32_t place, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float& value = best.value[static_cast<size_t>(i)];
    int32_t& where = best.place[static_cast<size_t>(i)];
    const float candidate = to_float(x[i]);
    const bool wins = candidate > value || candidate != candidate;  // NaN wins
    value = wins ? candidate : value;
    where = wins ? place : where;
  }
}

template <class T>
void forward(const Pool2dDims& d, const T* x, T* y, uint8_t* argmax) {
  parallel_for(d.n * d.p(), [&](int64_t row) {
    const int64_t n = row / d.p(), p = row % d.p();
    const IndexRange hs = covered_by(d, p, d.h);
    for (int64_t q = 0; q < d.q(); ++q) {
      const IndexRange ws = covered_by(d, q, d.w);
      const int64_t out = (row * d.q() + q) * d.c;
      for_channel_blocks(d.c, [&](int64_t c, auto count) {
        Best best;
        for (int64_t h = hs.begin; h < hs.end; ++h) {
          for (int64_t w = ws.begin; w < ws.end; ++w) {
            const T* pixel = x + ((n * d.h + h) * d.w + w) * d.c + c;
            const int64_t r = h + d.padding - p * d.stride, s = w + d.padding - q * d.stride;
            const auto place = static_cast<int32_t>(r * d.kernel + s);
            const bool is_first = h == hs.begin && w == ws.begin;
            is_first ? start(best, pixel, place, count) : improve(best, pixel, place, count);
          }
        }
        store_block(best.value, 1.0f, y + out + c, Write::kOverwrite, count);
        uint8_t* place = argmax + out + c;
        for (int64_t i = 0; i < count; ++i) {
          place[i] = static_cast<uint8_t>(best.place[static_cast<size_t>(i)]);
        }
      });
    }
  });
}

/// sum[i] += dy[i] where place[i] is `here`.
template <class T, class Count>
void add_where(ChannelBlock& sum, const T* dy, const uint8_t* place, uint8_t here, Count count) {
  std::array<uint32_t, kChannelBlock> bits;  // masks, not branches: such loops vectorise
  for (int64_t i = 0; i < count; ++i) {
    bits[static_cast<size_t>(i)] = std::bit_cast<uint32_t>(to_float(dy[i]));
  }
  for (int64_t i = 0; i < count; ++i) {
    bits[static_cast<size_t>(i)] &= place[i] == here ? 0xffffffffu : 0u;
  }
  for (int64_t i = 0; i < count; ++i) {
    sum[static_cast<size_t>(i)] += std::bit_cast<float>(bits[static_cast<size_t>(i)]);
  }
}

template <class T>
void backward(const Pool2dDims& d, const T* dy, const uint8_t* argmax, GradOut dx) {
  gather_from_windows<T>(
      d, 1.0f, dx, [=](ChannelBlock& sum, int64_t window, int64_t place, auto count) {
        add_where(sum, dy + window, argmax + window, static_cast<uint8_t>(place), count);
      });
}

}  // namespace

void max_pool2d_forward_cpu(const Pool2dDims& dims, const void* x, void* y, uint8_t* argmax,
                            Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) {
    forward(dims, static_cast<const T*>(x), static_cast<T*>(y), argmax);
  });
}

void max_pool2d_backward_cpu(const Pool2dDims& dims, const void* dy, const uint8_t* argmax,
                             GradOut dx, Dtype dtype, Stream) {
  with_cpu_storage_type(
      dtype, [&]<class T>(T*) { backward(dims, static_cast<const T*>(dy), argmax, dx); });
}

}  // namespace rela
