#include "nn/image_side.h"

#include "runtime/error.h"
#include "runtime/io/config_table.h"

namespace rela {

std::string fit_side(std::optional<int64_t>& image_size, int64_t side, int64_t unit,
                     const std::string& reason) {
  if (image_size && *image_size != side) return cat("must be that of the views, ", side);
  if (side % unit != 0) return cat(reason, "; views of ", side, " pixels are no multiple of it");
  image_size = side;
  return "";
}

void describe_image_size(ConfigTable& table, std::optional<int64_t>& image_size) {
  table.integer("image_size", image_size, Unset::kNull, Limits::between(1, 4096),
                "side of a vision transformer's images; null: that of the views");
}

}  // namespace rela
