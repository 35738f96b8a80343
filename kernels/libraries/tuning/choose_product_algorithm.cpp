#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/libraries/tuning/tuning.h"
#include "kernels/simt/error.h"

namespace rela {

ProductAlgorithm choose_product_algorithm(const std::string& call, const ProductTimer& milliseconds,
                                          ChoiceFile& file) {
  const RankedAlgorithms algorithms{.names = {"fused kernel", "cuBLASLt tiles"},
                                    .milliseconds = [&](size_t algorithm) -> std::optional<float> {
                                      try {
                                        return milliseconds(kProductAlgorithms[algorithm]);
                                      } catch (const simt::Error&) {
                                        return std::nullopt;  // refused by the library
                                      }
                                    }};
  return kProductAlgorithms[choose_algorithm(call, algorithms, file)];
}

}  // namespace rela
