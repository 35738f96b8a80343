#pragma once
// Tensor-core operations for the emulator; the fragments are laid out as PTX documents them.

#include "kernels/simt/site.h"

namespace rela::simt {

/// d[16, 8] = a[16, 16] b[16, 8] + c[16, 8]: products of bf16 or of f16, f32 sums (in an order that
/// the GPU chooses). Lane l holds, with g = l / 4 and t = l % 4, two numbers per register, lower
/// column first:
///   a: rows g, g+8, g, g+8 at columns 2t | 2t | 2t+8 | 2t+8;   b: rows 2t | 2t+8 of column g;
///   c, d: [g][2t], [g][2t+1], [g+8][2t], [g+8][2t+1].
/// PTX mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32, or .f32.f16.f16.f32. The whole warp
/// must call it.
void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                       const float (&c)[4], SIMT_SITE);
void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                      const float (&c)[4], SIMT_SITE);

/// Four (two) 8x8 tiles of 16-bit elements from shared memory. Lane l passes the address of row
/// l % 8 of tile l / 8, 16-byte aligned, and gets elements [l / 4][2 (l % 4)] and the next of each
/// tile; transposed: elements [2 (l % 4)][l / 4] and [2 (l % 4) + 1][l / 4].
/// PTX ldmatrix.sync.aligned.m8n8.x4(.trans).shared.b16. The whole warp must call it; for x2 the
/// addresses of lanes 16 and up are not used.
void ldmatrix_x4(unsigned (&tiles)[4], const void* row, SIMT_SITE);
void ldmatrix_x4_transposed(unsigned (&tiles)[4], const void* row, SIMT_SITE);
void ldmatrix_x2(unsigned (&tiles)[2], const void* row, SIMT_SITE);
void ldmatrix_x2_transposed(unsigned (&tiles)[2], const void* row, SIMT_SITE);

}  // namespace rela::simt
