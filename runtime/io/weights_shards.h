#pragma once
// Weights in several files, with an index: {"weight_map": {"name": "model-00001-of-00002..."}}.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/io/weights_file.h"

namespace rela {

/// Every tensor must be in the file that the index names, and every one that the files hold in the
/// index. Throws WeightsError.
class WeightsShards : public WeightsFile {
 public:
  explicit WeightsShards(std::string index_path);
  std::string format() const override;
  /// The index first.
  std::vector<std::string> files() const override;

 private:
  struct Place {
    size_t shard = 0;
    size_t entry = 0;
  };
  void read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const override;

  std::vector<std::unique_ptr<WeightsFile>> shards_;
  std::vector<Place> places_;  // by entry
};

/// Whether a file that starts with these bytes is such an index.
bool is_weights_index(std::string_view start);

}  // namespace rela
