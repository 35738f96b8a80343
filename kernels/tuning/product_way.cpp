#include "kernels/tuning/product_way.h"

#include <memory>
#include <utility>

#include "kernels/plan_cache.h"
#include "kernels/simt/device.h"
#include "kernels/tuning/measure.h"
#include "kernels/tuning/tuning.h"

namespace rela {

ProductWay product_way(const std::string& call, const ProductTimer& milliseconds) {
  if (tuning().search != PlanSearch::kMeasured) return ProductWay::kFused;
  static PlanCache<std::pair<int, std::string>, ProductWay> cache;
  return cache.get({simt::current_device(), call}, [&](const auto& key) {
    return std::make_unique<ProductWay>(
        choose_product_way(call, milliseconds, choice_file(key.first, cublaslt_version())));
  });
}

}  // namespace rela
