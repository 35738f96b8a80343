#include "kernels/libraries/cudnn/convolution_plan.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace rela {
namespace {

constexpr int64_t kFirstId = 1;
constexpr int64_t kSecondId = 2;
constexpr int64_t kResultId = 3;

/// cuDNN names axes N, C, H, W (K, C, R, S) whatever the order in memory: the strides describe
/// NHWC.
struct Extents {
  int64_t outer, channels, rows, columns;
};

CudnnDescriptor tensor(int64_t id, const Extents& e, Dtype dtype) {
  return graph_tensor(
      {.id = id,
       .dims = {e.outer, e.channels, e.rows, e.columns},
       .strides = {e.rows * e.columns * e.channels, 1, e.columns * e.channels, e.channels}},
      dtype);
}

CudnnDescriptor geometry(const Conv2dDims& d) {
  CudnnDescriptor conv(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const std::array<int64_t, 2> padding{d.padding, d.padding};
  const std::array<int64_t, 2> stride{d.stride, d.stride};
  const std::array<int64_t, 2> dilation{1, 1};
  conv.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, stride)
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilation)
      .finalize();
  return conv;
}

/// The names that the three passes give their parts.
struct PassNames {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t conv, x, w, y, alpha, beta;
  int64_t x_id, w_id, y_id;
};
PassNames names_of(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::kBackwardData:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
              kResultId,
              kSecondId,
              kFirstId};
    case Conv2dPass::kBackwardWeights:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
              kFirstId,
              kResultId,
              kSecondId};
    case Conv2dPass::kForward:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
          kFirstId,
          kSecondId,
          kResultId};
}

/// The graph is last, after everything it refers to.
std::vector<CudnnDescriptor> graph_of(const ConvolutionCall& call) {
  const Conv2dDims& d = call.dims;
  const PassNames names = names_of(call.pass);
  std::vector<CudnnDescriptor> parts;
  parts.push_back(tensor(names.x_id, {d.n, d.c, d.h, d.w}, call.dtype));
  parts.push_back(tensor(names.w_id, {d.k, d.c, d.r, d.s}, call.dtype));
  parts.push_back(tensor(names.y_id, {d.n, d.k, d.p(), d.q()}, call.dtype));
  parts.push_back(geometry(d));
  CudnnDescriptor operation(names.operation);
  operation.set(names.x, parts[0])
      .set(names.w, parts[1])
      .set(names.y, parts[2])
      .set(names.conv, parts[3])
      .set(names.alpha, 1.0f)
      .set(names.beta, call.mode == Write::kAccumulate ? 1.0f : 0.0f)
      .finalize();
  return graph_of(std::move(parts), std::move(operation));
}

constexpr const char* name_of(Conv2dPass pass) {
  return pass == Conv2dPass::kForward        ? "forward"
         : pass == Conv2dPass::kBackwardData ? "data gradient"
                                             : "weight gradient";
}
constexpr const char* name_of(Conv2dAlgorithm algorithm) {
  return algorithm == Conv2dAlgorithm::kAuto     ? "auto"
         : algorithm == Conv2dAlgorithm::kDirect ? "direct"
                                                 : "winograd";
}

}  // namespace

bool accepts(const ConvolutionCall& call, EngineNotes notes) {
  const bool direct = call.algorithm == Conv2dAlgorithm::kDirect;
  const bool exact_f32 = call.dtype == Dtype::kF32 && call.f32_math == F32Math::kExact;
  return keeps_bits_and_sums(notes) &&
         std::ranges::none_of(notes, [&](cudnnBackendNumericalNote_t note) {
           switch (note) {
             case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
               return exact_f32;
             case CUDNN_NUMERICAL_NOTE_FFT:
             case CUDNN_NUMERICAL_NOTE_WINOGRAD:
             case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
             case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
             case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
               return direct;
             default:
               return false;
           }
         });
}

EngineProposals convolution_proposals(const ConvolutionCall& call, const CudnnDescriptor& device) {
  return {graph_of(call), device, [&](EngineNotes notes) { return accepts(call, notes); }};
}

GraphMemory graph_memory(const ConvolutionTensors& t) {
  return {.tensors = {{kFirstId, t.first}, {kSecondId, t.second}, {kResultId, t.result}}};
}

std::string describe(const ConvolutionCall& call) {
  const Conv2dDims& d = call.dims;
  std::ostringstream out;
  out << name_of(call.pass) << ' ' << dtype_name(call.dtype) << ' '
      << (call.f32_math == F32Math::kTf32 ? "tf32 " : "exact ") << name_of(call.algorithm)
      << (call.mode == Write::kAccumulate ? " accumulate " : " overwrite ") << d.n << 'x' << d.h
      << 'x' << d.w << 'x' << d.c << " to " << d.k << ", " << d.r << 'x' << d.s << " / " << d.stride
      << " + " << d.padding;
  return out.str();
}

}  // namespace rela
