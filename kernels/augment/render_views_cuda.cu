// A block renders one view after the other. The view's three planes stay in shared memory where
// two such blocks fit side by side, else in the workspace. A thread resizes pixels and recolours
// them; only the mean of the contrast and the blur look at those of others.

#include <stdexcept>

#include "kernels/augment/blur_cuda.h"
#include "kernels/augment/color_formulas.h"
#include "kernels/augment/render_views.h"
#include "kernels/augment/resize_cuda.h"
#include "kernels/gpu/shared_sum.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

constexpr int kThreads = kReduceThreads;
constexpr int kWarps = kThreads / 32;

/// What all views of a launch share.
struct Launch {
  const uint8_t* images;
  const ViewJob* jobs;
  int64_t views;
  int size;       // S
  int row_warps;  // that blur rows: each has a row in shared memory
  float* planes;  // [blocks, 3, S, S] if they are not in shared memory
  float factor[3], shift[3];
};

enum class Planes : uint8_t { kShared, kWorkspace };

__device__ inline bool is_active(const ViewParams& p, int k) {
  const JitterOp op = p.jitter_order[k];
  return p.jitter_factor[static_cast<int>(op)] != (op == JitterOp::kHue ? 0.0f : 1.0f);
}
/// Where the contrast is in the order; 4: it changes nothing.
__device__ inline int contrast_at(const ViewParams& p) {
  int k = 0;
  while (k < 3 && p.jitter_order[k] != JitterOp::kContrast) ++k;
  return is_active(p, k) ? k : 4;
}

/// Jitter operations [begin, end) of the order. `mean`: of the grey image before the contrast.
__device__ inline Rgb jitter(const ViewParams& p, int begin, int end, float mean, Rgb x) {
  for (int k = begin; k < end; ++k) {
    if (!is_active(p, k)) continue;
    const JitterOp op = p.jitter_order[k];
    const float factor = p.jitter_factor[static_cast<int>(op)];
    if (op == JitterOp::kHue) {
      x = with_hue(x, 6.0f * factor);
    } else if (op == JitterOp::kSaturation) {
      x = with_saturation(x, factor);
    } else {
      const float offset = op == JitterOp::kContrast ? (1.0f - factor) * mean : 0.0f;
      x = {blend(x.r, factor, offset), blend(x.g, factor, offset), blend(x.b, factor, offset)};
    }
  }
  return x;
}
__device__ inline Rgb finish_colours(const ViewParams& p, int begin, float mean, Rgb x) {
  x = jitter(p, begin, 4, mean, x);
  if (!p.grayscale) return x;
  const float y = grey(x.r, x.g, x.b);
  return {y, y, y};
}

/// Crop, resize, flip and colours. `tables`: 6 S floats of shared memory.
__device__ inline void draw_colours(const Launch& a, const ViewJob& job, float* tables,
                                    float* planes) {
  const ViewParams& p = job.params;
  const int size = a.size;
  const int pixels = size * size;
  const CropAxis vertical(p.crop.height, size);
  const CropAxis horizontal(p.crop.width, size);
  const int64_t stride = 3 * job.dims.width;
  CropResize resize{a.images + job.pixels + p.crop.top * stride + 3 * p.crop.left,
                    stride,
                    vertical,
                    horizontal,
                    CropTaps(tables, size),
                    CropTaps(tables + 3 * size, size)};
  resize.rows.fill(vertical, size);
  resize.columns.fill(horizontal, size);
  __syncthreads();  // the tables are complete

  const int contrast = contrast_at(p);
  double sum = 0;  // of the grey image that the contrast sees
  for (int i = static_cast<int>(threadIdx.x); i < pixels; i += kThreads) {
    const int x = i % size;
    Rgb c = resize.at(i / size, p.flip ? size - 1 - x : x);
    if (contrast < 4) {
      c = jitter(p, 0, contrast, 0.0f, c);
      sum += grey(c.r, c.g, c.b);
    } else {
      c = finish_colours(p, 0, 0.0f, c);
    }
    planes[i] = c.r;
    planes[pixels + i] = c.g;
    planes[2 * pixels + i] = c.b;
  }
  if (contrast == 4) return;
  const auto mean = static_cast<float>(shared_sum(sum) / pixels);
  for (int i = static_cast<int>(threadIdx.x); i < pixels; i += kThreads) {  // the thread's own
    const Rgb c =
        finish_colours(p, contrast, mean, {planes[i], planes[pixels + i], planes[2 * pixels + i]});
    planes[i] = c.r;
    planes[pixels + i] = c.g;
    planes[2 * pixels + i] = c.b;
  }
}

template <Rows kRows, class T>
__device__ inline void write_view(const Launch& a, const float* planes, const BlurTaps& blur,
                                  float threshold, T* out) {
  const int pixels = a.size * a.size;
  const int step = kThreads * kVector;
  for (int e = static_cast<int>(threadIdx.x) * kVector; e < 3 * pixels; e += step) {
    F32x8 v{};
    if (blur.radius > 0) {
      v = blur_columns(planes, blur, a.size, e);
    } else {
#pragma unroll
      for (int k = 0; k < kVector; ++k) {
        const int at = min(e + k, 3 * pixels - 1);
        v.v[k] = planes[at % 3 * pixels + at / 3];
      }
    }
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      const int c = (e + k) % 3;
      const float factor = c == 0 ? a.factor[0] : c == 1 ? a.factor[1] : a.factor[2];
      const float shift = c == 0 ? a.shift[0] : c == 1 ? a.shift[1] : a.shift[2];
      v.v[k] = solarized(v.v[k], threshold) * factor + shift;
    }
    store_upto8<kRows>(out + e, v, min(3 * pixels - e, kVector));
  }
}

/// Shared memory holds the tables of the resize, then in the same place the taps and the rows of
/// the blur; and behind them, `scratch_length` floats on, the planes, if they are there.
template <Planes kPlanes, Rows kRows, class T>
__global__ void __launch_bounds__(kThreads)
    render_views_kernel(const Launch a, T* out, int scratch_length) {
  SIMT_DYN_SHARED(float, scratch);
  const int64_t values = int64_t{3} * a.size * a.size;
  float* planes =
      kPlanes == Planes::kShared ? scratch + scratch_length : a.planes + blockIdx.x * values;
  for (int64_t view = blockIdx.x; view < a.views; view += gridDim.x) {
    const ViewJob& job = a.jobs[view];
    draw_colours(a, job, scratch, planes);
    __syncthreads();  // the planes are complete, and nobody reads the tables any more
    const BlurTaps blur = make_blur(job.params, a.size, scratch);
    if (blur.radius > 0) {
      blur_rows(blur, a.size, a.row_warps, scratch + 2 * a.size, planes);
      __syncthreads();  // all rows are blurred
    }
    write_view<kRows>(a, planes, blur, job.params.solarize_threshold, out + view * values);
    __syncthreads();  // before the next view's tables and planes
  }
}

/// How a launch uses memory.
struct Plan {
  Plan(int64_t views, int64_t size, size_t workspace_bytes)
      : plane_bytes(static_cast<size_t>(3 * size * size) * sizeof(float)) {
    const auto row = static_cast<size_t>(size) * sizeof(float);
    const size_t most = simt::max_shared_bytes();
    const auto rows = static_cast<int64_t>(most / row);
    row_warps = static_cast<int>(std::clamp<int64_t>(rows - 2, 4, kWarps));
    scratch_bytes = static_cast<size_t>(row_warps + 2) * row;  // at least 6 rows: the tables
    const bool is_shared = scratch_bytes + plane_bytes <= std::min(most, kMostShared);
    planes = is_shared ? Planes::kShared : Planes::kWorkspace;
    shared_bytes = scratch_bytes + (is_shared ? plane_bytes : 0);
    const auto fit = static_cast<int64_t>(workspace_bytes / plane_bytes);
    const int64_t side_by_side =
        is_shared ? int64_t{1} << 20 : std::clamp<int64_t>(fit, 1, kMostWorkspaceBlocks);
    blocks = std::min(views, side_by_side);
  }

  /// Two blocks find room on a multiprocessor with 228 KiB.
  static constexpr size_t kMostShared = size_t{113} << 10;
  static constexpr size_t kMostWorkspace = size_t{512} << 20;
  static constexpr int64_t kMostWorkspaceBlocks = 512;

  Planes planes = Planes::kWorkspace;
  int row_warps = 0;
  int64_t blocks = 0;
  size_t plane_bytes = 0;  // of a view's three planes
  size_t scratch_bytes = 0;
  size_t shared_bytes = 0;
};

}  // namespace

size_t render_views_workspace_bytes(int64_t views, int64_t size) {
  const Plan plan(views, size, Plan::kMostWorkspace);
  return plan.planes == Planes::kShared ? 0 : static_cast<size_t>(plan.blocks) * plan.plane_bytes;
}

void render_views_cuda(const RenderViewsArgs& args, int64_t views, const ViewOutput& output,
                       Stream stream) {
  if (views == 0) return;
  if (output.rounding != ResizeRounding::kExact)
    throw std::logic_error("render_views_cuda: only exact rounding");
  const Plan plan(views, output.size, args.workspace.bytes);
  Launch launch{.images = args.images,
                .jobs = args.jobs,
                .views = views,
                .size = static_cast<int>(output.size),
                .row_warps = plan.row_warps,
                .planes = static_cast<float*>(args.workspace.data),
                .factor = {},
                .shift = {}};
  for (size_t c = 0; c < 3; ++c) {
    launch.factor[c] = 1.0f / output.normalization.std[c];
    launch.shift[c] = -output.normalization.mean[c] * launch.factor[c];
  }
  const simt::LaunchConfig config(static_cast<unsigned>(plan.blocks), kThreads, plan.shared_bytes);
  const auto scratch_length = static_cast<int>(plan.scratch_bytes / sizeof(float));
  with_storage_type(output.dtype, [&]<class T>(T*) {
    T* out = static_cast<T*>(args.out);
    with_rows(kind_of_rows(3 * output.size * output.size, out), [&]<Rows kRows>() {
      const auto kernel = plan.planes == Planes::kShared
                              ? render_views_kernel<Planes::kShared, kRows, T>
                              : render_views_kernel<Planes::kWorkspace, kRows, T>;
      simt::launch(kernel, config, stream, launch, out, scratch_length);
    });
  });
}

}  // namespace rela
