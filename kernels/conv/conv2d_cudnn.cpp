// Adapts a convolution of the network to the library: filters are converted to the type of the
// activations before the call, their gradient is widened to f32 after it. Images of few channels
// are padded (pad_channels.h).

#include "kernels/conv/conv2d.h"
#include "kernels/conv/pad_channels.h"
#include "kernels/elementwise/cast.h"
#include "kernels/gpu/workspace_pieces.h"
#include "kernels/libraries/cudnn/convolution.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

int64_t filter_rows(const Conv2dDims& d) { return d.k * d.r * d.s; }
int64_t filter_count(const Conv2dDims& d) { return filter_rows(d) * d.c; }
int64_t pixels(const Conv2dDims& d) { return d.n * d.h * d.w; }

/// One call of the library, and what stands before its own workspace: offsets of copies, which
/// exist where they are needed.
struct LibraryCall {
  LibraryCall(const Conv2dProblem& p, Conv2dPass pass, Write mode)
      : problem(p),
        call{.dims = padded_dims(p, pass),
             .pass = pass,
             .dtype = p.dtype,
             .mode = mode,
             .f32_math = p.f32_math,
             .algorithm = p.algorithm},
        pads(call.dims.c != p.dims.c) {
    const bool is_gradient = pass == Conv2dPass::kBackwardWeights;
    const Dtype given = is_gradient ? Dtype::kF32 : p.weight_dtype;
    converts = given != p.dtype;
    const size_t element = dtype_bytes(p.dtype);
    WorkspaceCutter cutter;
    if (converts) converted = cutter.take(filter_count(is_gradient ? call.dims : p.dims), element);
    if (pads && !is_gradient) padded_filters = cutter.take(filter_count(call.dims), element);
    if (pads) padded_images = cutter.take(pixels(call.dims) * call.dims.c, element);
    library = cutter.bytes;
    if (is_gradient && converts) call.mode = Write::kOverwrite;  // accumulates while it is widened
  }

  size_t workspace_bytes() const { return library + convolution_workspace_bytes(call); }

  /// The filters as the library takes them: as given, or a copy.
  const void* filters(const void* w, Workspace workspace, Stream stream) const {
    if (converts) {
      void* copy = piece_at<void>(workspace, converted);
      cast_cuda({.x = w, .from = problem.weight_dtype, .y = copy, .to = problem.dtype},
                filter_count(problem.dims), stream);
      w = copy;
    }
    if (!pads) return w;
    return padded(w, filter_rows(problem.dims), piece_at<void>(workspace, padded_filters), stream);
  }
  const void* images(const void* x, Workspace workspace, Stream stream) const {
    if (!pads) return x;
    return padded(x, pixels(problem.dims), piece_at<void>(workspace, padded_images), stream);
  }
  void run(const ConvolutionTensors& tensors, Workspace workspace, Stream stream) const {
    convolution(call, tensors, {piece_at<void>(workspace, library), workspace.bytes - library},
                stream);
  }

  const void* padded(const void* x, int64_t rows, void* y, Stream stream) const {
    pad_channels_cuda({rows, problem.dims.c}, x, y, problem.dtype, stream);
    return y;
  }

  Conv2dProblem problem;
  ConvolutionCall call;
  bool pads, converts = false;
  size_t converted = 0, padded_filters = 0, padded_images = 0, library = 0;
};

}  // namespace

size_t conv2d_workspace_bytes_cuda(const Conv2dProblem& problem, Conv2dPass pass, Write mode) {
  if (problem.dims.n == 0) return 0;
  return LibraryCall(problem, pass, mode).workspace_bytes();
}

void conv2d_forward_cuda(const Conv2dProblem& problem, const void* x, const void* w, void* y,
                         Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) return;
  const LibraryCall call(problem, Conv2dPass::kForward, Write::kOverwrite);
  const void* filters = call.filters(w, workspace, stream);
  call.run({call.images(x, workspace, stream), filters, y}, workspace, stream);
}

void conv2d_backward_data_cuda(const Conv2dProblem& problem, const void* dy, const void* w,
                               GradOut dx, Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) return;
  const LibraryCall call(problem, Conv2dPass::kBackwardData, dx.mode);
  call.run({dy, call.filters(w, workspace, stream), dx.data}, workspace, stream);
}

void conv2d_backward_weights_cuda(const Conv2dProblem& problem, const void* x, const void* dy,
                                  GradOut dw, Workspace workspace, Stream stream) {
  const Conv2dDims& d = problem.dims;
  if (d.n == 0) {
    const size_t bytes = static_cast<size_t>(filter_count(d)) * sizeof(float);
    if (dw.mode == Write::kOverwrite) simt::memset_async(dw.data, 0, bytes, stream);
    return;
  }
  const LibraryCall call(problem, Conv2dPass::kBackwardWeights, dw.mode);
  void* narrow = piece_at<void>(workspace, call.converted);
  call.run({call.images(x, workspace, stream), dy, call.converts ? narrow : dw.data}, workspace,
           stream);
  if (call.pads)
    return crop_channels_cuda({filter_rows(d), d.c}, narrow, dw, problem.dtype, stream);
  if (!call.converts) return;
  cast_cuda({.x = narrow, .from = problem.dtype, .y = dw.data, .to = Dtype::kF32, .mode = dw.mode},
            filter_count(d), stream);
}

}  // namespace rela
