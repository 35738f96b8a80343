#include "nn/state.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "nn/position_grid.h"
#include "nn/stored_weights.h"
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

StoredTensor stored_as(const LoadOptions& options, const std::string& name) {
  StoredTensor stored = options.names.find(name);
  if (options.file_prefix.empty()) return stored;
  for (std::string& n : stored.names) n.insert(0, options.file_prefix + ".");
  return stored;
}

std::optional<PositionGrid> grid_of(const Shape& shape) {
  return shape.rank() < 2 ? std::nullopt : position_grid(shape.numel() / shape.back());
}

/// What the file's position embedding has to become; none unless both are grids of one width, and
/// the file's has what the model's needs.
struct GridFit {
  PositionGrid from, to;
};
std::optional<GridFit> fit_of_grids(const Shape& file, const Shape& model) {
  const std::optional<PositionGrid> from = grid_of(file), to = grid_of(model);
  const bool fits = from && to && file.back() == model.back() && from->class_rows >= to->class_rows;
  return fits ? std::optional(GridFit{*from, *to}) : std::nullopt;
}

bool fits(const StateTensor& t, const Shape& stored, const LoadOptions& options) {
  const Shape needed = file_shape(t);
  if (stored == needed) return true;
  if (!options.position.empty() && t.name == options.position)
    return fit_of_grids(stored, needed).has_value();
  return !options.names.rules.empty() &&
         without_leading_ones(stored) == without_leading_ones(needed);
}

/// Adds the class token's own position, if the file has one and the model nothing to keep it in.
void add_class_position(const WeightsFile& file, const LoadOptions& options,
                        std::vector<float>& class_token) {
  const StoredTensor stored = stored_as(options, options.position);
  const std::optional<Shape> shape = stored_shape(file, stored);  // none: of a part of the weights
  const std::optional<PositionGrid> grid = shape ? grid_of(*shape) : std::nullopt;
  if (!grid || grid->class_rows == 0) return;
  const std::vector<float> positions = read_stored(file, stored);
  for (size_t c = 0; c < class_token.size(); ++c) class_token[c] += positions[c];
}

/// The values of a tensor of the model, in the file's layout.
std::vector<float> values_for(const WeightsFile& file, const StateTensor& t,
                              const LoadOptions& options) {
  const StoredTensor stored = stored_as(options, t.name);
  std::vector<float> values = read_stored(file, stored);
  if (!options.position.empty() && t.name == options.position) {
    const auto fit = fit_of_grids(*stored_shape(file, stored), t.value.shape());
    return fit ? fit_positions(values, fit->from, fit->to) : values;
  }
  values.resize(static_cast<size_t>(t.value.numel()), 0.0f);  // none stored: zeros
  if (t.name == options.class_token) add_class_position(file, options, values);
  return values;
}

void read_tensor(const WeightsFile& file, const LoadOptions& options, StateTensor& t) {
  const bool on_host = t.value.device() == Device::kCpu;
  Tensor value = on_host ? t.value : Tensor::empty(t.value.shape(), t.value.dtype());
  if (value.dtype() == Dtype::kI64) {
    file.read_into(stored_as(options, t.name).names.front(), value.data<int64_t>(),
                   static_cast<int64_t>(value.bytes()));
  } else {
    const std::vector<float> from = values_for(file, t, options);
    float* const to = value.data<float>();
    if (t.conv_weight) {
      ConvLayout(value.shape()).for_each([&](int64_t m, int64_t f) {
        to[m] = from[static_cast<size_t>(f)];
      });
    } else {
      std::copy(from.begin(), from.end(), to);
    }
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

/// Counters are I64; everything else converts from any floating type that read_as_f32() takes.
bool can_read_as(WireDtype file, Dtype model) {
  if (model == Dtype::kI64) return file == WireDtype::kI64;
  return is_float(file);
}

bool is_wanted(const WeightsEntry& entry, const LoadOptions& options) {
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

struct Findings {
  Mismatch &missing, &types;
};
/// Whether the shape of a tensor remains to be checked: it is stored, all parts are there, and in
/// types that can be read.
bool check_presence(const WeightsFile& file, const StateTensor& t, const StoredTensor& stored,
                    const Findings& found) {
  bool is_usable = !stored.names.empty();
  for (const std::string& name : stored.names) {
    const WeightsEntry* entry = file.find(name);
    if (entry == nullptr) {
      is_usable = false;
      if (t.value.dtype() != Dtype::kI64) found.missing.names.push_back(name);
    } else if (!can_read_as(entry->dtype, t.value.dtype())) {
      is_usable = false;
      found.types.names.push_back(cat(name, ": model ", dtype_name(t.value.dtype()), ", file ",
                                      wire_dtype_name(entry->dtype)));
    }
  }
  return is_usable;
}

struct Fit {
  Mismatch missing{"missing", {}};
  Mismatch unexpected{"unexpected", {}};
  Mismatch shapes{"wrong shape or type", {}};
  std::set<std::string> usable;  // tensors of the model

  LoadReport report() const {
    return {.loaded = static_cast<int64_t>(usable.size()),
            .missing = static_cast<int64_t>(missing.names.size()),
            .unexpected = static_cast<int64_t>(unexpected.names.size()),
            .mismatched = static_cast<int64_t>(shapes.names.size()),
            .mistakes = missing.text() + unexpected.text() + shapes.text()};
  }
};

Fit fit_of(const WeightsFile& file, std::span<const StateTensor> state,
           const LoadOptions& options) {
  Fit fit;
  std::set<std::string> known;
  for (const StateTensor& t : state) {
    const StoredTensor stored = stored_as(options, t.name);
    known.insert(stored.names.begin(), stored.names.end());
    if (stored.names.empty()) fit.usable.insert(t.name);  // zeros, whatever the file has
    if (!check_presence(file, t, stored, {fit.missing, fit.shapes})) continue;
    const std::optional<Shape> shape = stored_shape(file, stored);
    if (!shape || !fits(t, *shape, options)) {
      const std::string& name = stored.names.front();
      fit.shapes.names.push_back(
          cat(name, stored.names.size() > 1 ? " and those stacked on it" : "", ": model ",
              file_shape(t), ", file ", shape ? *shape : file.find(name)->shape));
    } else {
      fit.usable.insert(t.name);
    }
  }
  for (const WeightsEntry& entry : file.entries()) {
    if (is_wanted(entry, options) && !known.contains(entry.name))
      fit.unexpected.names.push_back(entry.name);
  }
  return fit;
}

void check_fit(const WeightsFile& file, const Fit& fit, const LoadOptions& options) {
  const LoadReport report = fit.report();
  if (report.is_complete() || (options.allow_partial && report.loaded > 0)) return;
  const std::string prefix = common_prefix(fit.missing.names, fit.unexpected.names);
  throw WeightsError(
      cat(file.path(), ": the weights do not fit this model: ", report.missing, " missing, ",
          report.unexpected, " unexpected, ", report.mismatched, " of wrong shape or type; ",
          prefix.empty() ? "check that they are of the model that was named, in its shape"
                         : cat("the file's names begin with \"", prefix,
                               "\": write them without it, e.g. in Python "
                               "{name.removeprefix(\"",
                               prefix, "\"): tensor for ...}"),
          report.mistakes));
}

}  // namespace

std::vector<StateTensor> state_of(const Module& module, std::string_view prefix) {
  std::vector<StateTensor> state;
  for (const NamedParameter& p : module.parameters(prefix)) {
    state.push_back({p.name, p.var.value(), is_conv_weight(p.kind)});
  }
  for (const NamedBuffer& b : module.buffers(prefix)) state.push_back({b.name, b.value, false});
  return state;
}

Tensor tensor_in_file(const StateTensor& t) {
  Tensor value = t.value.to(Device::kCpu);
  if (!t.conv_weight) return value;
  Tensor out = Tensor::empty(file_shape(t), Dtype::kF32);
  const float* in = std::as_const(value).data<float>();
  ConvLayout(t.value.shape()).for_each([&, to = out.data<float>()](int64_t m, int64_t f) {
    to[f] = in[m];
  });
  return out;
}

void save_state(const std::string& path, std::span<const StateTensor> state,
                const SafetensorsMetadata& metadata) {
  std::vector<Tensor> staged;  // keeps permuted copies alive until they are written
  std::vector<SafetensorsTensor> tensors;
  for (const StateTensor& t : state) {
    staged.push_back(tensor_in_file(t));
    tensors.push_back({t.name, t.value.dtype() == Dtype::kI64 ? WireDtype::kI64 : WireDtype::kF32,
                       file_shape(t), staged.back().raw()});
  }
  SafetensorsMetadata all = metadata;
  all.try_emplace("format", "pt");
  all.try_emplace("framework", "rela");
  write_safetensors(path, tensors, all);
}

LoadReport compare_state(const WeightsFile& file, std::span<const StateTensor> state,
                         const LoadOptions& options) {
  return fit_of(file, state, options).report();
}

LoadReport load_state(const WeightsFile& file, std::span<StateTensor> state,
                      const LoadOptions& options) {
  const Fit fit = fit_of(file, state, options);
  check_fit(file, fit, options);
  for (StateTensor& t : state) {
    if (fit.usable.contains(t.name)) read_tensor(file, options, t);
  }
  return fit.report();
}

}  // namespace rela
