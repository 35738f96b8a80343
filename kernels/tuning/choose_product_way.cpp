#include "kernels/simt/error.h"
#include "kernels/tuning/product_way.h"
#include "kernels/tuning/tuning.h"

namespace rela {

ProductWay choose_product_way(const std::string& call, const ProductTimer& milliseconds,
                              ChoiceFile& file) {
  const RankedWays ways{.names = {"own kernel", "cuBLASLt tiles"},
                        .milliseconds = [&](size_t way) -> std::optional<float> {
                          try {
                            return milliseconds(kProductWays[way]);
                          } catch (const simt::Error&) {
                            return std::nullopt;  // refused by the library
                          }
                        }};
  return kProductWays[choose_way(call, ways, file)];
}

}  // namespace rela
