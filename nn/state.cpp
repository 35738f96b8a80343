#include "nn/state.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "runtime/error.h"

namespace rela {
namespace {

/// [K, R, S, C] and [K, C, R, S].
Shape file_shape(const StateTensor& t) {
  const Shape& s = t.value.shape();
  return t.conv_weight ? Shape{s[0], s[3], s[1], s[2]} : s;
}

struct ConvLayout {
  int64_t filters, taps, channels;
  explicit ConvLayout(const Shape& krsc)
      : filters(krsc[0]), taps(krsc[1] * krsc[2]), channels(krsc[3]) {}

  template <class Visit>  // visit(index in memory, index in the file)
  void for_each(Visit&& visit) const {
    for (int64_t k = 0; k < filters; ++k) {
      for (int64_t t = 0; t < taps; ++t) {
        for (int64_t c = 0; c < channels; ++c)
          visit((k * taps + t) * channels + c, (k * channels + c) * taps + t);
      }
    }
  }
};

Tensor to_file_layout(const StateTensor& t) {
  Tensor value = t.value.to(Device::kCpu);
  if (!t.conv_weight) return value;
  Tensor out = Tensor::empty(file_shape(t), Dtype::kF32);
  const float* in = std::as_const(value).data<float>();
  ConvLayout(t.value.shape()).for_each([&, to = out.data<float>()](int64_t m, int64_t f) {
    to[f] = in[m];
  });
  return out;
}

void read_tensor(const SafetensorsReader& file, const std::string& name, StateTensor& t) {
  const bool on_host = t.value.device() == Device::kCpu;
  Tensor value = on_host ? t.value : Tensor::empty(t.value.shape(), t.value.dtype());
  if (value.dtype() == Dtype::kI64) {
    file.read_into(name, value.data<int64_t>(), static_cast<int64_t>(value.bytes()));
  } else if (!t.conv_weight) {
    file.read_as_f32(name, value.data<float>(), value.numel());
  } else {
    Tensor staged = Tensor::empty(file_shape(t), Dtype::kF32);
    file.read_as_f32(name, staged.data<float>(), staged.numel());
    const float* from = staged.data<float>();
    ConvLayout(value.shape()).for_each([&, to = value.data<float>()](int64_t m, int64_t f) {
      to[m] = from[f];
    });
  }
  if (!on_host) t.value.copy_from(value);
}

/// Names with one kind of mistake: all are counted, up to ten listed.
struct Mismatch {
  const char* kind;
  std::vector<std::string> names;

  std::string text() const {
    constexpr size_t kListed = 10;
    std::string out;
    for (size_t i = 0; i < std::min(names.size(), kListed); ++i)
      out += cat("\n  ", kind, ": ", names[i]);
    if (names.size() > kListed) out += cat("\n  ", kind, ": ", names.size() - kListed, " more");
    return out;
  }
};

std::string file_name(const LoadOptions& options, const std::string& name) {
  return options.file_prefix.empty() ? name : options.file_prefix + "." + name;
}

/// Counters are I64; everything else converts from any floating type that read_as_f32() takes.
bool can_read_as(WireDtype file, Dtype model) {
  if (model == Dtype::kI64) return file == WireDtype::kI64;
  return file == WireDtype::kF32 || file == WireDtype::kF16 || file == WireDtype::kBf16 ||
         file == WireDtype::kF64;
}

bool is_wanted(const SafetensorsEntry& entry, const LoadOptions& options) {
  if (!options.file_prefix.empty() && !entry.name.starts_with(options.file_prefix + "."))
    return false;
  return std::none_of(options.ignored_prefixes.begin(), options.ignored_prefixes.end(),
                      [&](const std::string& prefix) { return entry.name.starts_with(prefix); });
}

/// "module." if the file has a missing name behind that; empty if none of the usual ones.
std::string common_prefix(const std::vector<std::string>& missing,
                          const std::vector<std::string>& unexpected) {
  if (missing.empty()) return "";
  const std::string& wanted = missing.front();
  for (const std::string& name : unexpected) {
    if (name.ends_with("." + wanted)) return name.substr(0, name.size() - wanted.size());
  }
  return "";
}

void check_fit(const SafetensorsReader& file, std::span<const StateTensor> state,
               const LoadOptions& options) {
  Mismatch missing{"missing", {}};
  Mismatch unexpected{"unexpected", {}};
  Mismatch shapes{"wrong shape or type", {}};
  std::set<std::string> known;
  for (const StateTensor& t : state) {
    const std::string name = file_name(options, t.name);
    known.insert(name);
    const SafetensorsEntry* entry = file.find(name);
    if (entry == nullptr) {
      if (t.value.dtype() != Dtype::kI64) missing.names.push_back(name);
    } else if (!can_read_as(entry->dtype, t.value.dtype())) {
      shapes.names.push_back(cat(name, ": model ", dtype_name(t.value.dtype()), ", file ",
                                 wire_dtype_name(entry->dtype)));
    } else if (entry->shape != file_shape(t)) {
      shapes.names.push_back(cat(name, ": model ", file_shape(t), ", file ", entry->shape));
    }
  }
  for (const SafetensorsEntry& entry : file.entries()) {
    if (is_wanted(entry, options) && !known.contains(entry.name))
      unexpected.names.push_back(entry.name);
  }
  const std::string prefix = common_prefix(missing.names, unexpected.names);
  const bool fits = missing.names.empty() && unexpected.names.empty() && shapes.names.empty();
  RELA_CHECK(fits, WeightsError, file.path(),
             ": the weights do not fit this model: ", missing.names.size(), " missing, ",
             unexpected.names.size(), " unexpected, ", shapes.names.size(),
             " of wrong shape or type; ",
             prefix.empty() ? "check that they are of the model that was named, in its shape"
                            : cat("the file's names begin with \"", prefix,
                                  "\": write them without it, e.g. in Python "
                                  "{name.removeprefix(\"",
                                  prefix, "\"): tensor for ...}"),
             missing.text(), unexpected.text(), shapes.text());
}

}  // namespace

std::vector<StateTensor> state_of(const Module& module, std::string_view prefix) {
  std::vector<StateTensor> state;
  for (const NamedParameter& p : module.parameters(prefix)) {
    state.push_back({p.name, p.var.value(), p.kind == ParameterKind::kConvWeight});
  }
  for (const NamedBuffer& b : module.buffers(prefix)) state.push_back({b.name, b.value, false});
  return state;
}

void save_state(const std::string& path, std::span<const StateTensor> state,
                const SafetensorsMetadata& metadata) {
  std::vector<Tensor> staged;  // keeps permuted copies alive until they are written
  std::vector<SafetensorsTensor> tensors;
  for (const StateTensor& t : state) {
    staged.push_back(to_file_layout(t));
    tensors.push_back({t.name, t.value.dtype() == Dtype::kI64 ? WireDtype::kI64 : WireDtype::kF32,
                       file_shape(t), staged.back().raw()});
  }
  SafetensorsMetadata all = metadata;
  all.try_emplace("format", "pt");
  all.try_emplace("framework", "rela");
  write_safetensors(path, tensors, all);
}

void load_state(const SafetensorsReader& file, std::span<StateTensor> state,
                const LoadOptions& options) {
  check_fit(file, state, options);
  for (StateTensor& t : state) {
    const std::string name = file_name(options, t.name);
    if (file.find(name) != nullptr) read_tensor(file, name, t);
  }
}

}  // namespace rela
