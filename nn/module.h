#pragma once
// A layer or a model: parameters and buffers under the dotted names that torchvision uses.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ops/ops.h"

namespace rela {

enum class ParameterKind : uint8_t {
  kConvWeight,
  kLinearWeight,
  kBias,
  kNormWeight,
  kNormBias,
  kFrozenConvWeight,  // keeps its initial values: no gradient flows into it, no decay shrinks it
  kFrozenBias,
};

/// [K, R, S, C] in memory.
constexpr bool is_conv_weight(ParameterKind kind) {
  return kind == ParameterKind::kConvWeight || kind == ParameterKind::kFrozenConvWeight;
}
constexpr bool is_frozen(ParameterKind kind) {
  return kind == ParameterKind::kFrozenConvWeight || kind == ParameterKind::kFrozenBias;
}

/// Biases and the parameters of normalisation layers: excluded from weight decay and from LARS's
/// adaptation.
constexpr bool is_bias_or_norm(ParameterKind kind) {
  return kind != ParameterKind::kConvWeight && kind != ParameterKind::kLinearWeight;
}

/// How a parameter is initialised.
struct Init {
  enum class Kind : uint8_t { kNormal, kUniform, kConstant, kSinCos };
  Kind kind = Kind::kConstant;
  /// Standard deviation | bound of a symmetric interval | the constant | the temperature of a
  /// position embedding of sines and cosines (nn/position_grid.h).
  float value = 0;
};
/// N(0, 2 / fan_out): He et al. 2015, eq. 10, backward case; torchvision's choice for convolutions.
Init kaiming_normal_fan_out(int64_t fan_out);
/// U(-1/sqrt(fan_in), 1/sqrt(fan_in)): torch's default for the weights and biases of a layer.
Init fan_in_uniform(int64_t fan_in);

struct NamedParameter {
  std::string name;  // "layer1.0.conv1.weight"
  Var var;           // f32
  ParameterKind kind = ParameterKind::kLinearWeight;
  Init init;
  /// Of a transformer: between the parameter and the features, its own block included; what is
  /// below all blocks counts one more.
  int64_t blocks_above = 0;
};

/// State without gradients: running statistics (f32) and counters (i64, shape []).
struct NamedBuffer {
  std::string name;
  Tensor value;
};

/// Options of a forward pass, passed down to every layer.
struct ForwardContext {
  NormMode norm = NormMode::kTrain;
  int64_t groups = 1;             // views that follow one another in the batch
  float norm_momentum = 0.1f;     // weight of the batch in the running statistics; 0: no update
  Communicator* ranks = nullptr;  // whose batches are one to batch norm; null: this process's alone
  /// Of a network with droppable branches, [Backbone::branch_drop_rates().size(), N] f32: what each
  /// branch is multiplied by in each image. Undefined: nothing is dropped.
  Tensor branch_factors{};
};

/// Base of layers and models. Children are members of the derived class, so modules are neither
/// copied nor moved.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// In registration order, this module's parameters before its children's.
  std::vector<NamedParameter> parameters(std::string_view prefix = "") const;
  std::vector<NamedBuffer> buffers(std::string_view prefix = "") const;

  /// Moves a module that is not trained, parameters and buffers: no arena, no gradients.
  void move_to(Device device);

  /// Moves the buffers of this module and its children; lists of buffers obtained earlier still
  /// refer to the old memory. Counters (i64) stay on the host, which does the counting. Parameters
  /// move with their arena.
  void move_buffers(Device device);

 protected:
  Var add_parameter(std::string name, const Shape& shape, ParameterKind kind, Init init);
  /// `buffer` is a member of the derived class, holding its initial value.
  void add_buffer(std::string name, Tensor& buffer);
  /// A child without a name adds nothing to the names below it. `blocks_above`: of all of its
  /// parameters.
  void add_child(std::string name, Module& child, int64_t blocks_above = 0);
  /// Of the parameters that are this module's own, not its children's.
  void set_blocks_above(int64_t blocks) { own_blocks_above_ = blocks; }

 private:
  struct Buffer {
    std::string name;
    Tensor* value;
  };
  struct Child {
    std::string name;
    Module* module;
    int64_t blocks_above;
  };
  std::vector<NamedParameter> parameters_;
  std::vector<Buffer> buffers_;
  std::vector<Child> children_;
  int64_t own_blocks_above_ = 0;
};

/// How convolutions are initialised, which determines how much a few hundred steps achieve.
enum class ConvInit : uint8_t {
  kFanOutNormal,  // kaiming_normal_fan_out: torchvision's ResNets
  kFanInUniform,  // fan_in_uniform: a plain torch layer; a third of the variance and less
  kFanInStem,     // the first convolution as a plain torch layer, the others as torchvision's
};

/// Fills every parameter according to its Init, convolutions according to `conv`, from random
/// streams keyed by (seed, name): the values do not depend on the rest of the model or on the order
/// of construction.
void initialize(const Module& module, uint64_t seed, ConvInit conv = ConvInit::kFanOutNormal);

}  // namespace rela
