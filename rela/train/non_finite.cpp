#include "rela/train/non_finite.h"

#include <map>

#include "runtime/error.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

/// Empty when every value is finite.
std::string complaint(const std::string& what, const Tensor& t) {
  const int64_t bad = is_floating(t.dtype()) ? count_nonfinite(t) : 0;
  return bad == 0
             ? ""
             : cat(what, " ", describe(t), ": ", bad, " of ", t.numel(), " values are not finite");
}

using Names = std::map<const Node*, std::string>;

/// Adds the parameters' names, up to the first one with values that are not finite: then the
/// complaint about it.
std::string check_weights(const ParameterArena& arena, const std::string& network, Names& names) {
  for (const NamedParameter& p : arena.parameters()) {
    if (std::string text = complaint(network + p.name, p.var.value()); !text.empty()) return text;
    names.emplace(&p.var.node(), p.name);
  }
  return "";
}

}  // namespace

std::string first_non_finite(std::span<const TrainedPart> parts, const Tensor& images,
                             const std::function<void()>& forward) {
  if (std::string text = complaint("the batch of images", images); !text.empty()) return text;
  Names names;
  for (const TrainedPart& part : parts) {
    std::string text = check_weights(*part.arena, "parameter ", names);
    MovingAverage* target = part.optimizer->target();
    if (text.empty() && target != nullptr)
      text = check_weights(target->weights(), "target parameter ", names);
    if (!text.empty()) return text;
  }
  std::string found;
  int64_t index = 0;
  const RecordObserverGuard guard(
      [&](const char* op, const Tensor& value, const std::vector<Var>& inputs) {
        ++index;
        if (!found.empty()) return;
        std::string what = cat("result of operation ", index, " (", op);
        for (const Var& input : inputs) {
          const auto it = names.find(&input.node());
          if (it != names.end()) what += " with " + it->second;
        }
        found = complaint(what + ")", value);
      });
  forward();
  return found;
}

std::string first_non_finite_gradient(const ParameterArena& arena) {
  for (const NamedParameter& p : arena.parameters()) {
    if (std::string text = complaint("gradient of " + p.name, p.var.node().grad); !text.empty())
      return text;
  }
  return "";
}

}  // namespace rela
