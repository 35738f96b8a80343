#include "kernels/simt/emulator/tensor_core.h"

#include <cstring>

#include "kernels/simt/emulator/trace.h"
#include "kernels/simt/emulator/warp.h"
#include "kernels/types.h"

namespace rela::simt {
namespace {

constexpr uint32_t kAllLanes = 0xffffffffu;

/// One of the two numbers in a word.
template <class T>
float half_of(unsigned word, int half) {
  return to_float(T{static_cast<uint16_t>(half != 0 ? word >> 16 : word)});
}

struct MmaOperand {
  unsigned a[4];
  unsigned b[2];
  float c[4];
  float d[4];
};

template <class T>
void multiply(void* const* operands, uint32_t) {
  if (is_traced()) trace_flops(2 * 16 * 8 * 16);
  float a[16][16];
  float b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& operand = *static_cast<const MmaOperand*>(operands[lane]);
    const int g = lane / 4;
    const int t = lane % 4;
    for (int i = 0; i < 8; ++i) {
      const int row = g + (i / 2 % 2) * 8;
      a[row][t * 2 + i % 2 + i / 4 * 8] = half_of<T>(operand.a[i / 2], i % 2);
    }
    for (int i = 0; i < 4; ++i) {
      b[t * 2 + i % 2 + i / 2 * 8][g] = half_of<T>(operand.b[i / 2], i % 2);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    auto& operand = *static_cast<MmaOperand*>(operands[lane]);
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8;
      const int column = lane % 4 * 2 + i % 2;
      float sum = 0;
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      operand.d[i] = operand.c[i] + sum;
    }
  }
}

/// Every lane gathers its elements itself, so that ThreadSanitizer attributes the reads to it.
template <int kTiles, bool kTransposed>
void load_tiles(unsigned (&tiles)[kTiles], const void* row, const Site& site) {
  struct Operand {
    const void* row;
    const uint16_t* rows[32];
  } operand{row, {}};
  meet(
      WarpOp::kLdmatrix, kAllLanes, &operand,
      [](void* const* operands, uint32_t) {
        for (int lane = 0; lane < 32; ++lane) {
          for (int i = 0; i < kTiles * 8; ++i) {
            static_cast<Operand*>(operands[lane])->rows[i] =
                static_cast<const uint16_t*>(static_cast<const Operand*>(operands[i])->row);
          }
        }
      },
      site);
  int lane = 0;
  {
    const Quiet quiet;
    lane = static_cast<int>(self->lane);
    for (int i = 0; i < kTiles * 8; ++i) {
      if ((reinterpret_cast<uintptr_t>(operand.rows[i]) & 15) != 0) {
        fail("ldmatrix of a misaligned row at " + to_string(site));
      }
    }
  }
  for (int tile = 0; tile < kTiles; ++tile) {
    uint16_t pair[2];
    for (int half = 0; half < 2; ++half) {
      const int major = lane / 4;
      const int minor = lane % 4 * 2 + half;
      pair[half] = kTransposed ? operand.rows[tile * 8 + minor][major]
                               : operand.rows[tile * 8 + major][minor];
    }
    tiles[tile] = pair[0] | static_cast<unsigned>(pair[1]) << 16;
  }
}

template <class T>
void multiply_and_add(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                      const float (&c)[4], const Site& site) {
  MmaOperand operand{};
  {
    const Quiet quiet;
    std::memcpy(operand.a, a, sizeof(a));
    std::memcpy(operand.b, b, sizeof(b));
    std::memcpy(operand.c, c, sizeof(c));
  }
  meet(WarpOp::kMma, kAllLanes, &operand, multiply<T>, site);
  const Quiet quiet;
  std::memcpy(d, operand.d, sizeof(d));
}

}  // namespace

void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                       const float (&c)[4], SIMT_SITE_DEFINED) {
  multiply_and_add<Bf16>(d, a, b, c, SIMT_HERE);
}
void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                      const float (&c)[4], SIMT_SITE_DEFINED) {
  multiply_and_add<F16>(d, a, b, c, SIMT_HERE);
}

void ldmatrix_x4(unsigned (&tiles)[4], const void* row, SIMT_SITE_DEFINED) {
  load_tiles<4, false>(tiles, row, SIMT_HERE);
}
void ldmatrix_x4_transposed(unsigned (&tiles)[4], const void* row, SIMT_SITE_DEFINED) {
  load_tiles<4, true>(tiles, row, SIMT_HERE);
}
void ldmatrix_x2(unsigned (&tiles)[2], const void* row, SIMT_SITE_DEFINED) {
  load_tiles<2, false>(tiles, row, SIMT_HERE);
}
void ldmatrix_x2_transposed(unsigned (&tiles)[2], const void* row, SIMT_SITE_DEFINED) {
  load_tiles<2, true>(tiles, row, SIMT_HERE);
}

}  // namespace rela::simt
