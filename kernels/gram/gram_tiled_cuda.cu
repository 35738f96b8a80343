// cuBLASLt multiplies a few chunks of rows at a time, in one call, into the workspace: f32 products
// [chunks, P, P], which a kernel then adds up in f64, chunk by chunk. It reads x itself, or a copy
// of both sets side by side; f32 rows are shifted while they are copied.

#include <algorithm>
#include <utility>

#include "kernels/gpu/workspace_pieces.h"
#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/gram/gram_rows_cuda.h"
#include "kernels/libraries/cublas/matmul.h"

namespace rela {
namespace {

constexpr int64_t kRowChunk = kGramCudaChunk;
constexpr int kThreads = 256;

/// Copies rows [first, first + count) of z as input of the product: to [count, P].
template <class T>
__global__ void __launch_bounds__(kThreads)
    join_kernel(JoinedRows<T> z, int64_t first, int64_t count, T* to) {
  const int64_t columns = z.d.p + z.d.q;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count * columns) store_f32(to + i, z.at(first + i / columns, i % columns));
}

/// Adds the chunks' products [chunks, P, P] to the lower half of gram. The first call removes the
/// shift of 16-bit rows.
template <class T>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const float* products, int64_t chunks, JoinedRows<T> z, const double* column_sums,
                bool is_first, double* gram) {
  const int64_t width = z.d.p + z.d.q;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t row = i / width, column = i % width;
  if (row >= width || column > row) return;
  double sum = 0.0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += products[chunk * width * width + i];
  if (sizeof(T) == 2 && is_first) sum -= share_of_shift(z, column_sums, row, column);
  gram[i] += sum;
}

/// The product of `chunks` equal chunks of rows.
MatmulCall product_of(const GramDims& d, Dtype dtype, int64_t rows, int64_t chunks) {
  return {.m = d.columns(),
          .n = d.columns(),
          .k = rows,
          .layout = MatmulLayout::kTn,
          .in = dtype,
          .out = Dtype::kF32,
          .batch = chunks};
}

bool needs_copy(const GramDims& d, Dtype dtype) { return dtype == Dtype::kF32 || d.q > 0; }

/// Whole chunks per call.
int64_t chunks_of(const GramDims& d, size_t products_bytes) {
  const int64_t fit =
      static_cast<int64_t>(products_bytes / sizeof(float)) / (d.columns() * d.columns());
  return std::clamp<int64_t>(fit, 1, std::max<int64_t>(1, d.rows / kRowChunk));
}

/// Pieces of the workspace, as byte offsets; the product's workspace comes first.
struct Layout {
  size_t product = 0, products = 0, rows = 0, bytes = 0;
  int64_t chunks = 1;  // per call
};
Layout layout_of(const GramDims& d, Dtype dtype, int64_t chunks) {
  Layout l{.chunks = chunks};
  const int64_t whole = d.rows / kRowChunk, rest = d.rows % kRowChunk;
  for (const auto& [rows, count] :
       {std::pair{kRowChunk, std::min(chunks, whole)}, std::pair{kRowChunk, whole % chunks},
        std::pair{rest, std::min<int64_t>(rest, 1)}}) {
    if (count == 0) continue;
    l.product = std::max(l.product, matmul_workspace_bytes(product_of(d, dtype, rows, count)));
  }
  WorkspaceCutter cut;
  cut.take(static_cast<int64_t>(l.product), 1);
  l.products = cut.take(chunks * d.columns() * d.columns(), sizeof(float));
  if (needs_copy(d, dtype)) {
    l.rows = cut.take(std::min(d.rows, chunks * kRowChunk) * d.columns(), dtype_bytes(dtype));
  }
  l.bytes = cut.bytes;
  return l;
}

unsigned blocks_for(int64_t threads) { return static_cast<unsigned>(ceil_div(threads, kThreads)); }

template <class T>
void add_products(const GramInputs& in, const GramProducts& to, const GramDims& d, const Layout& l,
                  Workspace workspace, Stream stream) {
  const JoinedRows<T> z = joined_rows<T>(in, d);
  float* const products = piece_at<float>(workspace, l.products);
  T* const copy = piece_at<T>(workspace, l.rows);
  for (int64_t first = 0; first < d.rows;) {
    const int64_t left = d.rows - first;
    const int64_t rows = std::min(left, kRowChunk);
    const int64_t count = std::clamp<int64_t>(left / kRowChunk, 1, l.chunks);
    const T* from = z.x + first * d.p;
    if (needs_copy(d, in.dtype)) {
      simt::launch(join_kernel<T>, {blocks_for(count * rows * d.columns()), kThreads}, stream, z,
                   first, count * rows, copy);
      from = copy;
    }
    matmul(product_of(d, in.dtype, rows, count), {.a = from, .b = from, .c = products},
           {workspace.data, l.product}, stream);
    simt::launch(fold_kernel<T>, {blocks_for(d.columns() * d.columns()), kThreads}, stream,
                 products, count, z, to.column_sums, first == 0, to.gram);
    first += count * rows;
  }
}

}  // namespace

size_t gram_products_tiled_workspace_bytes_cuda(const GramDims& dims, Dtype dtype,
                                                size_t products_bytes) {
  return layout_of(dims, dtype, chunks_of(dims, products_bytes)).bytes;
}

void gram_products_tiled_cuda(const GramInputs& in, const GramProducts& to, const GramDims& dims,
                              Workspace workspace, Stream stream, size_t products_bytes) {
  const Layout l = layout_of(dims, in.dtype, chunks_of(dims, products_bytes));
  with_storage_type(in.dtype,
                    [&]<class T>(T*) { add_products<T>(in, to, dims, l, workspace, stream); });
}

}  // namespace rela
