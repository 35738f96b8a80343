#include "kernels/libraries/tuning/product_algorithm.h"

#include <memory>
#include <utility>

#include "kernels/libraries/plan_cache.h"
#include "kernels/libraries/tuning/kernel_sources.h"
#include "kernels/libraries/tuning/measure.h"
#include "kernels/libraries/tuning/tuning.h"
#include "kernels/simt/device.h"

namespace rela {

ProductAlgorithm product_algorithm(const std::string& call, const ProductTimer& milliseconds) {
  if (tuning().search != PlanSearch::kMeasured) return ProductAlgorithm::kFused;
  static PlanCache<std::pair<int, std::string>, ProductAlgorithm> cache;
  return cache.get({simt::current_device(), call}, [&](const auto& key) {
    return std::make_unique<ProductAlgorithm>(
        choose_product_algorithm(std::string("kernels ") + kernel_sources_hash() + ", " + call,
                                 milliseconds, choice_file(key.first, cublaslt_version())));
  });
}

}  // namespace rela
