#pragma once
// Two ways to the products of an op that uses each tile of them at once: its own kernel keeps tiles
// in registers; or cuBLASLt, which multiplies faster, puts a larger tile into a workspace, out of
// which a kernel of the op reads it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "kernels/tuning/choice_file.h"

namespace rela {

enum class ProductWay : uint8_t { kFused, kTiled };
inline constexpr ProductWay kProductWays[] = {ProductWay::kFused, ProductWay::kTiled};

/// Runs the call one way on the device. Nothing where memory does not suffice.
using ProductTimer = std::function<std::optional<float>(ProductWay)>;

/// How a call is done on the current device: kFused; where plans are measured
/// (kernels/tuning/tuning.h), what is faster, found the first time and kept with cuBLASLt's
/// algorithms. `call` names op, type and sizes. In the emulated build always kFused.
ProductWay product_way(const std::string& call, const ProductTimer& milliseconds);

/// The way that the file names for a call; otherwise the faster one, which is written to the file.
/// A way that throws simt::Error counts as not measured.
ProductWay choose_product_way(const std::string& call, const ProductTimer& milliseconds,
                              ChoiceFile& file);

}  // namespace rela
