#pragma once
// How GPU kernels traverse a matrix whose columns are channels: to reduce over rows, or to apply
// coefficients per channel.
//
// A block covers one part of the rows and one tile of the channels. Each of its threads keeps eight
// neighbouring channels and visits every `slots`-th row of the part, so that their coefficients and
// sums stay in registers, and a warp reads whole lines of memory.

#include "kernels/gpu/storage.h"

namespace rela {

inline constexpr int kRowTileThreads = 256;
inline constexpr int kRowTileBlocks = 3;  // per multiprocessor: 85 registers per thread
inline constexpr int kRowTileLanes = 32;  // threads across a row of a tile, at most
inline constexpr int kRowTileChannels = kRowTileLanes * kVector;

/// `groups` matrices of [rows, channels], one after the other, split into parts and tiles by size
/// alone: sums over parts do not depend on the device.
struct RowTiles {
  RowTiles(int64_t group_count, int64_t group_rows, int64_t channel_count)
      : groups(group_count), rows(group_rows), channels(channel_count) {
    tiles = (channels + kRowTileChannels - 1) / kRowTileChannels;
    lanes = static_cast<int>(tiles > 1 ? kRowTileLanes : (channels + kVector - 1) / kVector);
    const int64_t most = (rows + kMinRows - 1) / kMinRows;
    const int64_t wanted = kBlocks / (groups * tiles);
    const int64_t count = wanted < 1 ? 1 : (wanted < most ? wanted : most);
    part_rows = (rows + count - 1) / count;
    parts = (rows + part_rows - 1) / part_rows;
  }

  dim3 grid() const {
    return dim3(static_cast<unsigned>(parts), static_cast<unsigned>(tiles),
                static_cast<unsigned>(groups));
  }

  int64_t groups, rows, channels;  // none of them 0
  int64_t parts;                   // per group
  int64_t part_rows;
  int64_t tiles;
  int lanes;

 private:
  static constexpr int64_t kBlocks = kRowTileBlocks * 132;  // fills the multiprocessors of an H100
  static constexpr int64_t kMinRows = 64;                   // fewer are not worth a block
};

/// What one thread visits. A thread without work has no rows.
struct TileThread {
  int64_t channel;  // its first
  int channels;     // 1 to 8
  int lane, slot, slots;
  int64_t row;   // its first, counted over all groups
  int64_t step;  // to its next row
  int count;     // rows
};
__device__ inline TileThread find_tile_thread(const RowTiles& t, Sweep sweep) {
  TileThread me;
  me.slots = kRowTileThreads / t.lanes;
  me.slot = static_cast<int>(threadIdx.x) / t.lanes;
  me.lane = static_cast<int>(threadIdx.x) % t.lanes;
  me.channel = int64_t{blockIdx.y} * kRowTileChannels + me.lane * kVector;
  me.channels = static_cast<int>(min(t.channels - me.channel, int64_t{kVector}));
  const int64_t begin = blockIdx.x * t.part_rows;
  const int64_t end = min(begin + t.part_rows, t.rows);
  const bool idle = me.channels <= 0 || me.slot >= me.slots || begin + me.slot >= end;
  me.count = idle ? 0 : static_cast<int>((end - begin - me.slot + me.slots - 1) / me.slots);
  me.row = blockIdx.z * t.rows + begin + me.slot;
  me.step = me.slots;
  if (sweep == Sweep::kBackward) {
    me.row += (me.count - 1) * me.step;
    me.step = -me.step;
  }
  return me;
}

/// Rows of kArrays arrays of T that a thread loads before it uses them: 64 bytes in flight.
template <Rows kRows, class T, int kArrays>
inline constexpr int kRowsAhead = kRows == Rows::kWhole&& kArrays * sizeof(T) < 8
                                      ? 8 / (kArrays * sizeof(T))
                                      : 1;

/// Half as many for f16, whose widened values take extra registers: for kernels that keep so many
/// coefficients that they would spill.
template <Rows kRows, class T, int kArrays>
inline constexpr int kFewRowsAhead =
    kRowsAhead<kRows, T, std::is_same_v<T, F16> ? 2 * kArrays : kArrays>;

/// Visits the thread's rows: use(i, load(i)), i the index of the thread's first element there. A
/// few rows are loaded before they are used, to have their accesses in flight together.
template <int kAhead, class Load, class Use>
__device__ inline void for_each_row(const TileThread& me, int64_t channels, const Load& load,
                                    const Use& use) {
  const int64_t step = me.step * channels;
  int64_t at = me.row * channels + me.channel;
  int left = me.count;
#pragma unroll 1  // unrolled further, the registers do not suffice
  for (; left >= kAhead; left -= kAhead, at += kAhead * step) {
    decltype(load(at)) in[kAhead];
#pragma unroll
    for (int a = 0; a < kAhead; ++a) in[a] = load(at + a * step);
#pragma unroll
    for (int a = 0; a < kAhead; ++a) use(at + a * step, in[a]);
  }
  if constexpr (kAhead > 1) {
#pragma unroll 1
    for (; left > 0; --left, at += step) use(at, load(at));
  }
}

/// Adds the slots' values of every channel, in order, and hands sum(channel, value) to one thread
/// per channel of the tile. `shared` holds kRowTileThreads * 8 floats.
template <class Sum>
__device__ inline void sum_slots(const RowTiles& t, const TileThread& me, const F32x8& value,
                                 float* shared, const Sum& sum) {
  const int width = t.lanes * kVector;
  __syncthreads();  // the readers of an earlier use of `shared` are done
  if (me.slot < me.slots) {
    store8_shared(shared + me.slot * width + me.lane * kVector, value);
  }
  __syncthreads();  // every slot's values are in place
  const int c = static_cast<int>(threadIdx.x);
  const int64_t channel = int64_t{blockIdx.y} * kRowTileChannels + c;
  if (c < width && channel < t.channels) {
    float total = 0.0f;
    for (int s = 0; s < me.slots; ++s) total += shared[s * width + c];
    sum(channel, total);
  }
}

}  // namespace rela
