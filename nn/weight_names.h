#pragma once
// How others name the tensors of a model that this program names as timm and torchvision do, and
// how they store them: separate projections that are one here, matrices that are transposed.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rela {

class WeightsFile;

/// Where a file keeps one tensor of a model.
struct StoredTensor {
  /// Several: stacked along the first axis. None: the file has none, and the tensor is zeros.
  std::vector<std::string> names;
  bool transposed = false;  // [in, out] instead of [out, in]
};

/// Names that start with `model`, which ends where a part of the name does, start with `file`
/// instead. A '#' stands for a number, the same in all of them.
struct NameRule {
  std::string model;
  std::vector<std::string> file;  // as in StoredTensor
  bool transposed = false;
};

/// A rule for every block of a vision transformer: of ("encoder.layer.#", "norm1", {"norm1"}), that
/// "blocks.#.norm1" is "encoder.layer.#.norm1".
NameRule rule_of_block(const std::string& block, const std::string& model,
                       const std::vector<std::string>& file);

/// One publisher's names.
struct WeightNames {
  std::string publisher;        // for messages: "Hugging Face"
  std::string prefix;           // stands before every name in the file, with its dot
  std::vector<NameRule> rules;  // the first that fits is used; if none does, names are the same
  std::vector<std::string> ignored;  // prefixes of names that a file may have besides

  StoredTensor find(const std::string& model_name) const;
};

/// What stands before `name` in a file that has it, with its dot, such as "" or "dinov2."; none if
/// the file has no such tensor.
std::optional<std::string> prefix_of(const WeightsFile& file, std::string_view name);

}  // namespace rela
