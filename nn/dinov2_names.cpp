#include "nn/dinov2_names.h"

#include "runtime/io/weights_file.h"

namespace rela {
namespace {

/// Since version 5, transformers names the projections in memory as CLIP's are; files have either.
std::vector<NameRule> hugging_face_dinov2_rules(bool is_version_5) {
  using Names = std::vector<std::string>;
  const Names qkv = is_version_5 ? Names{"attention.q_proj", "attention.k_proj", "attention.v_proj"}
                                 : Names{"attention.attention.query", "attention.attention.key",
                                         "attention.attention.value"};
  const Names proj{is_version_5 ? "attention.o_proj" : "attention.output.dense"};
  const auto block = [](const std::string& model, const std::vector<std::string>& file) {
    return rule_of_block("encoder.layer.#", model, file);
  };
  return {
      {"cls_token", {"embeddings.cls_token"}},
      {"reg_token", {"embeddings.register_tokens"}},
      {"pos_embed", {"embeddings.position_embeddings"}},
      {"patch_embed.proj", {"embeddings.patch_embeddings.projection"}},
      block("norm1", {"norm1"}),
      block("attn.qkv", qkv),
      block("attn.proj", proj),
      block("ls1.gamma", {"layer_scale1.lambda1"}),
      block("norm2", {"norm2"}),
      block("mlp", {"mlp"}),
      block("ls2.gamma", {"layer_scale2.lambda1"}),
      {"norm", {"layernorm"}},
  };
}

}  // namespace

WeightNames hugging_face_dinov2_names() {
  return {"Hugging Face", "", hugging_face_dinov2_rules(/*is_version_5=*/false), {}};
}

WeightNames dinov2_names(const WeightsFile& file) {
  if (const auto prefix = prefix_of(file, "embeddings.patch_embeddings.projection.weight")) {
    const bool is_version_5 =
        file.find(*prefix + "encoder.layer.0.attention.q_proj.weight") != nullptr;
    return {"Hugging Face",
            *prefix,
            hugging_face_dinov2_rules(is_version_5),
            {*prefix + "embeddings.mask_token", "classifier."}};
  }
  if (file.find("mask_token") != nullptr) {
    return {"facebookresearch", "", {{"reg_token", {"register_tokens"}}}, {"mask_token"}};
  }
  return {"timm", "", {}, {"head."}};
}

}  // namespace rela
