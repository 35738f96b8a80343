#include "kernels/gather/gather_rows.h"

#include <cstddef>
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

void copy_rows(const GatherRowsArgs& args, const RowDims& dims) {
  const size_t bytes = static_cast<size_t>(dims.cols) * dtype_bytes(args.dtype);
  const auto* x = static_cast<const std::byte*>(args.x);
  auto* y = static_cast<std::byte*>(args.y);
  parallel_for(dims.rows, [=](int64_t i) {
    std::memcpy(y + static_cast<size_t>(i) * bytes, x + static_cast<size_t>(args.index[i]) * bytes,
                bytes);
  });
}

template <class T>
void add_rows(const GatherRowsArgs& args, const RowDims& dims) {
  parallel_for(dims.rows, [=](int64_t i) {
    const T* from = static_cast<const T*>(args.x) + args.index[i] * dims.cols;
    T* to = static_cast<T*>(args.y) + i * dims.cols;
    for (int64_t c = 0; c < dims.cols; ++c)
      to[c] = store_as<T>(to_float(to[c]) + to_float(from[c]));
  });
}

}  // namespace

void gather_rows_cpu(const GatherRowsArgs& args, const RowDims& dims, Stream) {
  if (dims.rows * dims.cols == 0) return;
  if (args.mode == Write::kOverwrite) return copy_rows(args, dims);
  with_storage_type(args.dtype, [&]<class T>(T*) { add_rows<T>(args, dims); });
}

}  // namespace rela
