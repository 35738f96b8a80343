#pragma once
// Two algorithms for the products of an op that consumes each tile of them immediately: either the
// op's kernel keeps tiles in registers, or cuBLASLt, which multiplies faster, writes a larger tile
// to a workspace, from which a kernel of the op reads it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "kernels/libraries/tuning/choice_file.h"

namespace rela {

enum class ProductAlgorithm : uint8_t { kFused, kTiled };
inline constexpr ProductAlgorithm kProductAlgorithms[] = {ProductAlgorithm::kFused,
                                                          ProductAlgorithm::kTiled};

/// Times the call with one algorithm on the device. Empty if memory does not suffice.
using ProductTimer = std::function<std::optional<float>(ProductAlgorithm)>;

/// The algorithm for a call on the current device: kFused, or, where plans are measured
/// (kernels/libraries/tuning/tuning.h), the faster one, measured the first time and stored with
/// cuBLASLt's algorithms, for as long as the sources of our kernels stay the same. `call` names op,
/// type and sizes. Always kFused in the emulated build.
ProductAlgorithm product_algorithm(const std::string& call, const ProductTimer& milliseconds);

/// The algorithm that the file names for a call; otherwise the faster one, which is written to the
/// file. An algorithm that throws simt::Error counts as not measured.
ProductAlgorithm choose_product_algorithm(const std::string& call, const ProductTimer& milliseconds,
                                          ChoiceFile& file);

}  // namespace rela
