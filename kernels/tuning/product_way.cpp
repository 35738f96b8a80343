#include "kernels/tuning/product_way.h"

#include <memory>
#include <utility>

#include "kernels/dnnl/plan_cache.h"
#include "kernels/simt/device.h"
#include "kernels/simt/error.h"
#include "kernels/tuning/measure.h"
#include "kernels/tuning/tuning.h"

namespace rela {
namespace {

ProductWay measured_way(int device, const std::string& call, const ProductTimer& milliseconds) {
  const RankedWays ways{.names = {"own kernel", "cuBLASLt tiles"},
                        .milliseconds = [&](size_t way) -> std::optional<float> {
                          try {
                            return milliseconds(kProductWays[way]);
                          } catch (const simt::Error&) {
                            return std::nullopt;  // refused by the library
                          }
                        }};
  return kProductWays[choose_way(call, ways, choice_file(device, cublaslt_version()))];
}

}  // namespace

ProductWay product_way(const std::string& call, const ProductTimer& milliseconds) {
  if (tuning().search != PlanSearch::kMeasured) return ProductWay::kFused;
  static PlanCache<std::pair<int, std::string>, ProductWay> cache;
  return cache.get({simt::current_device(), call}, [&](const auto& key) {
    return std::make_unique<ProductWay>(measured_way(key.first, call, milliseconds));
  });
}

}  // namespace rela
