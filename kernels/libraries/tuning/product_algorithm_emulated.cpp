#include "kernels/libraries/tuning/product_algorithm.h"

namespace rela {

ProductAlgorithm product_algorithm(const std::string& /*call*/,
                                   const ProductTimer& /*milliseconds*/) {
  return ProductAlgorithm::kFused;  // timings on an emulated GPU are meaningless
}

}  // namespace rela
