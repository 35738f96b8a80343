// A block copies a row: 16 bytes at a time if all rows are aligned to that, else byte by byte.

#include "kernels/gather/gather_rows.h"
#include "kernels/gpu/storage.h"

namespace rela {
namespace {

constexpr int kThreads = 128;

template <class Piece>
__global__ void __launch_bounds__(kThreads)
    copy_rows_kernel(const Piece* x, const int64_t* index, Piece* y, int64_t pieces) {
  const Piece* const from = x + index[blockIdx.x] * pieces;
  Piece* const to = y + int64_t{blockIdx.x} * pieces;
  for (int64_t i = threadIdx.x; i < pieces; i += kThreads) {
    if constexpr (sizeof(Piece) == 16) {
      simt::store16(to + i, simt::load16<Piece>(from + i));
    } else {
      to[i] = from[i];
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_rows_kernel(const T* x, const int64_t* index, T* y, int64_t cols) {
  const T* const from = x + index[blockIdx.x] * cols;
  T* const to = y + int64_t{blockIdx.x} * cols;
  for (int64_t c = threadIdx.x; c < cols; c += kThreads) {
    store_f32(to + c, load_f32(to + c) + load_f32(from + c));
  }
}

template <class Piece>
void copy_rows(const GatherRowsArgs& args, int64_t rows, int64_t row_bytes, Stream stream) {
  simt::launch(copy_rows_kernel<Piece>, {static_cast<unsigned>(rows), kThreads}, stream,
               static_cast<const Piece*>(args.x), args.index, static_cast<Piece*>(args.y),
               row_bytes / static_cast<int64_t>(sizeof(Piece)));
}

}  // namespace

void gather_rows_cuda(const GatherRowsArgs& args, const RowDims& dims, Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  if (args.mode == Write::kAccumulate) {
    with_storage_type(args.dtype, [&]<class T>(T*) {
      simt::launch(add_rows_kernel<T>, {static_cast<unsigned>(dims.rows), kThreads}, stream,
                   static_cast<const T*>(args.x), args.index, static_cast<T*>(args.y), dims.cols);
    });
    return;
  }
  const int64_t row_bytes = dims.cols * static_cast<int64_t>(dtype_bytes(args.dtype));
  if (row_bytes % 16 == 0 && aligned16(args.x, args.y)) {
    copy_rows<uint4>(args, dims.rows, row_bytes, stream);
  } else {
    copy_rows<uint8_t>(args, dims.rows, row_bytes, stream);
  }
}

}  // namespace rela
