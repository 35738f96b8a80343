#include "nn/module.h"

#include <algorithm>
#include <cmath>

#include "kernels/fnv1a.h"
#include "kernels/random/random_stream.h"
#include "nn/position_grid.h"
#include "runtime/allocator.h"

namespace rela {
namespace {

std::string join(std::string_view prefix, const std::string& name) {
  if (prefix.empty() || name.empty()) return std::string(prefix) + name;
  return std::string(prefix) + "." + name;
}

/// A fingerprint of the name, truncated to the 48 bits that identify a sample in a random stream.
uint64_t stream_index(const std::string& name) {
  Fnv1a64 hash;
  hash.update(name.data(), static_cast<int64_t>(name.size()));
  return (hash.digest() ^ (hash.digest() >> 48)) & 0xffffffffffffu;
}

}  // namespace

Init kaiming_normal_fan_out(int64_t fan_out) {
  return {Init::Kind::kNormal, std::sqrt(2.0f / static_cast<float>(fan_out))};
}

Init fan_in_uniform(int64_t fan_in) {
  return {Init::Kind::kUniform, 1.0f / std::sqrt(static_cast<float>(fan_in))};
}

std::vector<NamedParameter> Module::parameters(std::string_view prefix) const {
  std::vector<NamedParameter> all;
  for (NamedParameter p : parameters_) {
    p.name = join(prefix, p.name);
    p.blocks_above = own_blocks_above_;
    all.push_back(std::move(p));
  }
  for (const Child& child : children_) {
    for (NamedParameter& p : child.module->parameters(join(prefix, child.name))) {
      p.blocks_above += child.blocks_above;
      all.push_back(std::move(p));
    }
  }
  return all;
}

std::vector<NamedBuffer> Module::buffers(std::string_view prefix) const {
  std::vector<NamedBuffer> all;
  for (const Buffer& b : buffers_) all.push_back({join(prefix, b.name), *b.value});
  for (const Child& child : children_) {
    for (NamedBuffer& b : child.module->buffers(join(prefix, child.name)))
      all.push_back(std::move(b));
  }
  return all;
}

void Module::move_to(Device device) {
  const MemoryUseGuard use(MemoryUse::kParameters);
  for (const NamedParameter& p : parameters()) p.var.node().value = p.var.value().to(device);
  move_buffers(device);
}

void Module::move_buffers(Device device) {
  const MemoryUseGuard use(MemoryUse::kParameters);
  for (const Buffer& b : buffers_) {
    if (b.value->dtype() != Dtype::kI64) *b.value = b.value->to(device);
  }
  for (const Child& child : children_) child.module->move_buffers(device);
}

Var Module::add_parameter(std::string name, const Shape& shape, ParameterKind kind, Init init) {
  Var var = make_parameter(Tensor::zeros(shape, Dtype::kF32));
  parameters_.push_back({std::move(name), var, kind, init});
  return var;
}

void Module::add_buffer(std::string name, Tensor& buffer) {
  buffers_.push_back({std::move(name), &buffer});
}

void Module::add_child(std::string name, Module& child, int64_t blocks_above) {
  children_.push_back({std::move(name), &child, blocks_above});
}

namespace {

Init init_of(const NamedParameter& p, ConvInit conv, bool is_first_convolution) {
  const bool plain =
      conv == ConvInit::kFanInUniform || (conv == ConvInit::kFanInStem && is_first_convolution);
  if (!is_conv_weight(p.kind) || !plain) return p.init;
  const Shape& shape = p.var.shape();  // [K, R, S, C]
  return fan_in_uniform(shape.numel() / shape[0]);
}

}  // namespace

void initialize(const Module& module, uint64_t seed, ConvInit conv) {
  bool seen_convolution = false;
  for (const NamedParameter& p : module.parameters()) {
    const Init init = init_of(p, conv, !seen_convolution);
    seen_convolution |= is_conv_weight(p.kind);
    RandomStream random({.seed = seed, .sample = stream_index(p.name), .op = RandomOp::kInit});
    if (init.kind == Init::Kind::kSinCos) {
      const std::vector<float> values = sin_cos_positions(p.var.shape(), init.value);
      std::ranges::copy(values, p.var.node().value.span<float>().begin());
      continue;
    }
    for (float& x : p.var.node().value.span<float>()) {
      switch (init.kind) {
        case Init::Kind::kNormal:
          x = init.value * random.normal();
          break;
        case Init::Kind::kUniform:
          x = random.uniform(-init.value, init.value);
          break;
        case Init::Kind::kConstant:
        case Init::Kind::kSinCos:
          x = init.value;
          break;
      }
    }
  }
}

}  // namespace rela
