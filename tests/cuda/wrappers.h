#pragma once
// Small kernels that use every wrapper of kernels/simt/ once, so that a GPU and the emulator are
// tested against the same expectations.

#include "kernels/types.h"

namespace rela::test {

/// c[16, 8] += a[16, 16] b[16, 8] in one mma.
void mma_tile(const Bf16* a, const Bf16* b, float* c, Stream stream);
void mma_tile(const F16* a, const F16* b, float* c, Stream stream);

enum class Ldmatrix : int { kX4, kX4Transposed, kX2, kX2Transposed };
/// x: four 8x8 tiles [4, 8, 8]; out: [32 lanes, 4 tiles, 2], the elements that each lane gets (x2:
/// of the first two tiles).
void load_tiles(const uint16_t* x, Ldmatrix variant, uint16_t* out, Stream stream);

/// out[t] = sum of x[c, k, t] over chunks c and k < 4, through two buffers filled by cp.async.
/// x: [chunks, 4, 32]; out: [32]
void pipeline_sum(const float* x, int chunks, float* out, Stream stream);

enum class ShuffleKind : int { kIndex, kUp, kDown, kXor };
/// out[lane] = the result of the shuffle when every lane passes x[lane].   x, out: [32]
void shuffle(const float* x, ShuffleKind kind, int argument, int width, float* out, Stream stream);

/// Votes and reductions over 32 lanes that pass x: add, min, max, and, or, xor, ballot of odd
/// values, whether any is odd, whether all are.   out: [9]
void reduce_warp(const unsigned* x, unsigned* out, Stream stream);

/// y = x through the streaming 16-byte accesses; sum[0..3] += x[4 i .. 4 i + 3] over all i, four at
/// a time, and sum[4..5] two at a time.   x, y: [n], n a multiple of 4; sum: [6]
void copy_and_add(const float* x, float* y, int n, float* sum, Stream stream);

/// out[block] = sum over all blocks of block + 1, after a grid barrier.   partial, out: [blocks]
void grid_sums(int blocks, int* partial, int* out, Stream stream);

/// *out = value, via a constant.
void through_constant(float value, float* out, Stream stream);

}  // namespace rela::test
