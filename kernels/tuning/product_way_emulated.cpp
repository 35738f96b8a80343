#include "kernels/tuning/product_way.h"

namespace rela {

ProductWay product_way(const std::string& /*call*/, const ProductTimer& /*milliseconds*/) {
  return ProductWay::kFused;  // times of an emulated GPU mean nothing
}

}  // namespace rela
