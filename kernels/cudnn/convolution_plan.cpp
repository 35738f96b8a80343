#include "kernels/cudnn/convolution_plan.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

namespace rela {
namespace {

constexpr int64_t kFirstId = 1;
constexpr int64_t kSecondId = 2;
constexpr int64_t kResultId = 3;

/// cuDNN names axes N, C, H, W (K, C, R, S) whatever the order in memory: strides say NHWC.
struct Extents {
  int64_t outer, channels, rows, columns;
};

cudnnDataType_t cudnn_type(Dtype dtype) {
  return dtype == Dtype::kF16    ? CUDNN_DATA_HALF
         : dtype == Dtype::kBf16 ? CUDNN_DATA_BFLOAT16
                                 : CUDNN_DATA_FLOAT;
}

CudnnDescriptor tensor(int64_t id, const Extents& e, Dtype dtype) {
  CudnnDescriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const std::array<int64_t, 4> dims{e.outer, e.channels, e.rows, e.columns};
  const std::array<int64_t, 4> strides{e.rows * e.columns * e.channels, 1, e.columns * e.channels,
                                       e.channels};
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, cudnn_type(dtype))
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, dims)
      .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16})
      .finalize();
  return d;
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

/// What the three passes call their parts.
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

/// The graph, last, after the descriptors that it refers to.
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
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation).finalize();
  parts.push_back(std::move(operation));
  parts.push_back(std::move(graph));
  return parts;
}

/// Configurations that cuDNN proposes for this device, best first.
std::vector<CudnnDescriptor> proposals(const CudnnDescriptor& graph, const CudnnDescriptor& device,
                                       cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode)
      .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device)
      .finalize();
  return heuristic.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                   CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
}

std::vector<CudnnDescriptor> accepted_proposals(const ConvolutionCall& call,
                                                const CudnnDescriptor& graph,
                                                const CudnnDescriptor& device) {
  std::vector<CudnnDescriptor> accepted;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (CudnnDescriptor& config : proposals(graph, device, mode)) {
      const auto engine =
          config.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
      if (accepts(call, engine.at(0).numerical_notes())) accepted.push_back(std::move(config));
    }
  }
  return accepted;
}

CudnnDescriptor finalised_plan(const CudnnDescriptor& config, const CudnnDescriptor& device) {
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config)
      .set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device)
      .finalize();
  return plan;
}

size_t workspace_of(const CudnnDescriptor& plan) {
  return static_cast<size_t>(plan.get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
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

CudnnDescriptor cudnn_device(int device) {
  CudnnDescriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, int32_t{device}).finalize();
  return properties;
}

CudnnDescriptor cudnn_device_from_json(const std::string& json) {
  CudnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, json).finalize();
  return device;
}

bool accepts(const ConvolutionCall& call, std::span<const cudnnBackendNumericalNote_t> notes) {
  const bool direct = call.algorithm == Conv2dAlgorithm::kDirect;
  const bool exact_f32 = call.dtype == Dtype::kF32 && call.f32_math == F32Math::kExact;
  return std::ranges::none_of(notes, [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return true;
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

size_t ConvolutionPlan::workspace_bytes() const { return workspace_of(plan_); }

void ConvolutionPlan::run(cudnnHandle_t handle, const ConvolutionTensors& tensors,
                          void* workspace) const {
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const std::array<int64_t, 3> ids{kFirstId, kSecondId, kResultId};
  const std::array<const void*, 3> pointers{tensors.first, tensors.second, tensors.result};
  const std::array<const void*, 1> scratch{workspace};
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<const void* const>(pointers))
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span<const void* const>(scratch))
      .finalize();
  check_cudnn(cudnnBackendExecute(handle, plan_.raw(), pack.raw()), "cudnnBackendExecute");
}

ConvolutionPlan ConvolutionPlan::make(const ConvolutionCall& call, const CudnnDescriptor& device) {
  return ConvolutionProposals(call, device).ranked_plan();
}

ConvolutionProposals::ConvolutionProposals(const ConvolutionCall& call,
                                           const CudnnDescriptor& device)
    : device_(device) {
  std::vector<CudnnDescriptor> parts = graph_of(call);
  first_ = parts.size();
  std::ranges::move(accepted_proposals(call, parts.back(), device), std::back_inserter(parts));
  parts_ = std::make_shared<const std::vector<CudnnDescriptor>>(std::move(parts));
}

std::string ConvolutionProposals::name(size_t i) const {
  const auto engine =
      config(i).get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  std::ostringstream text;
  text << "engine " << engine.at(0).get_int64(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) << ',';
  for (const CudnnDescriptor& choice :
       config(i).get_descriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                 CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    text << ' ' << static_cast<int>(choice.knob_type()) << '='
         << choice.get_int64(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
  }
  return text.str();
}

ConvolutionPlan ConvolutionProposals::plan(size_t i) const {
  return {parts_, finalised_plan(config(i), device_)};
}

ConvolutionPlan ConvolutionProposals::ranked_plan() const {
  std::optional<ConvolutionPlan> smallest;
  std::optional<CudnnError> refusal;
  for (size_t i = 0; i < size(); ++i) {
    try {
      ConvolutionPlan next = plan(i);
      if (next.workspace_bytes() <= kConvolutionWorkspaceLimit) return next;
      if (!smallest || next.workspace_bytes() < smallest->workspace_bytes()) {
        smallest.emplace(std::move(next));
      }
    } catch (const CudnnError& e) {
      refusal = e;
    }
  }
  if (smallest) return std::move(*smallest);
  if (refusal) throw CudnnError(*refusal);
  throw CudnnError("no engine keeps to the terms of the call", CUDNN_STATUS_NOT_SUPPORTED);
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
