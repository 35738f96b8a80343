#include "kernels/embed/patches.h"
#include "kernels/pool/pool2d_cuda.h"

namespace rela {
namespace {

/// The dims plus values that threads derive from them.
struct PatchShape {
  explicit PatchShape(const PatchDims& d)
      : h(static_cast<int>(d.h)),
        patch(static_cast<int>(d.patch)),
        rows(static_cast<int>(d.rows())),
        columns(static_cast<int>(d.columns())),
        run(static_cast<int>(d.run())) {}
  int h, patch, rows, columns;
  int run;
};

/// Offsets of up to eight contiguous elements in the images and in the patches.
struct PatchPlace {
  int64_t in_image, in_patches;
  int count;
};
/// A row of pixels is a row of contiguous runs.
__device__ bool find_patch_place(const PatchShape& d, PatchPlace* place) {
  PoolPlace at;
  if (!find_place(d.h, d.columns, d.run, &at)) return false;
  const int64_t line = at.image * d.h + at.row;
  const int64_t token = (at.image * d.rows + at.row / d.patch) * d.columns + at.column;
  place->in_image = (line * d.columns + at.column) * d.run + at.channel;
  place->in_patches = (token * d.patch + at.row % d.patch) * d.run + at.channel;
  place->count = at.channels;
  return true;
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    patches_forward_kernel(const PatchShape d, const T* __restrict__ x, T* __restrict__ y) {
  PatchPlace at;
  if (!find_patch_place(d, &at)) return;
  store_upto8<kRows>(y + at.in_patches, load_upto8<kRows>(x + at.in_image, at.count), at.count);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    patches_backward_kernel(const PatchShape d, const T* __restrict__ dy, T* __restrict__ dx,
                            const Write mode) {
  PatchPlace at;
  if (!find_patch_place(d, &at)) return;
  write_upto8<kRows>(dx + at.in_image, load_upto8<kRows>(dy + at.in_patches, at.count), at.count,
                     mode);
}

dim3 grid_of(const PatchDims& d) { return pool_grid(d.n, d.h, d.columns(), d.run()); }

}  // namespace

void patches_forward_cuda(const PatchDims& dims, const void* x, void* y, Dtype dtype,
                          Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.run(), x, y), [&]<Rows kRows>() {
      simt::launch(patches_forward_kernel<kRows, T>, {grid_of(dims), kPoolThreads}, stream,
                   PatchShape(dims), static_cast<const T*>(x), static_cast<T*>(y));
    });
  });
}

void patches_backward_cuda(const PatchDims& dims, const void* dy, GradOut dx, Dtype dtype,
                           Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.run(), dy, dx.data), [&]<Rows kRows>() {
      simt::launch(patches_backward_kernel<kRows, T>, {grid_of(dims), kPoolThreads}, stream,
                   PatchShape(dims), static_cast<const T*>(dy), static_cast<T*>(dx.data), dx.mode);
    });
  });
}

}  // namespace rela
