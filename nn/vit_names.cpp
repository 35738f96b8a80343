#include "nn/vit_names.h"

#include "runtime/io/weights_file.h"

namespace rela {
namespace {

/// Since version 5, transformers has other names in memory than in files: those of torch.save().
std::vector<NameRule> hugging_face_vit_rules(bool is_in_memory) {
  using Names = std::vector<std::string>;
  const auto block = [&](const std::string& model, const Names& in_file, const Names& in_memory) {
    return rule_of_block(is_in_memory ? "layers.#" : "encoder.layer.#", model,
                         is_in_memory ? in_memory : in_file);
  };
  const auto same = [&](const std::string& model, const std::string& name) {
    return block(model, {name}, {name});
  };
  return {
      {"cls_token", {"embeddings.cls_token"}},
      {"pos_embed", {"embeddings.position_embeddings"}},
      {"patch_embed.proj", {"embeddings.patch_embeddings.projection"}},
      same("norm1", "layernorm_before"),
      block("attn.qkv",
            {"attention.attention.query", "attention.attention.key", "attention.attention.value"},
            {"attention.q_proj", "attention.k_proj", "attention.v_proj"}),
      block("attn.proj", {"attention.output.dense"}, {"attention.o_proj"}),
      same("norm2", "layernorm_after"),
      block("mlp.fc1", {"intermediate.dense"}, {"mlp.fc1"}),
      block("mlp.fc2", {"output.dense"}, {"mlp.fc2"}),
      {"norm", {"layernorm"}},
  };
}

}  // namespace

WeightNames hugging_face_vit_names() {
  return {"Hugging Face", "", hugging_face_vit_rules(/*is_in_memory=*/false), {}};
}

WeightNames vit_names(const WeightsFile& file) {
  for (const bool is_in_memory : {false, true}) {
    const char* sign = is_in_memory ? "layers.0.layernorm_before.weight"
                                    : "encoder.layer.0.layernorm_before.weight";
    if (const auto prefix = prefix_of(file, sign)) {
      return {"Hugging Face",
              *prefix,
              hugging_face_vit_rules(is_in_memory),
              {*prefix + "pooler.", "classifier."}};
    }
  }
  return {"timm", "", {}, {}};
}

}  // namespace rela
