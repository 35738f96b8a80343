#include "nn/clip_names.h"

#include "runtime/io/weights_file.h"

namespace rela {
namespace {

/// `tower`: what stands before the names of the tower, with its dot.
std::vector<NameRule> hugging_face_clip_rules(const std::string& tower) {
  const auto block = [&](const std::string& model, const std::vector<std::string>& file) {
    return rule_of_block(tower + "encoder.layers.#", model, file);
  };
  return {
      {"cls_token", {tower + "embeddings.class_embedding"}},
      {"pos_embed", {tower + "embeddings.position_embedding.weight"}},
      {"patch_embed.proj", {tower + "embeddings.patch_embedding"}},
      {"norm_pre", {tower + "pre_layrnorm"}},  // sic
      block("norm1", {"layer_norm1"}),
      block("attn.qkv", {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}),
      block("attn.proj", {"self_attn.out_proj"}),
      block("norm2", {"layer_norm2"}),
      block("mlp", {"mlp"}),
      {"norm", {tower + "post_layernorm"}},
      {"head.bias", {}},
      {"head", {"visual_projection"}},
  };
}

std::vector<NameRule> openai_rules() {
  const auto block = [](const std::string& model, const std::vector<std::string>& file) {
    return rule_of_block("transformer.resblocks.#", model, file);
  };
  return {
      {"cls_token", {"class_embedding"}},
      {"pos_embed", {"positional_embedding"}},
      {"patch_embed.proj", {"conv1"}},
      {"norm_pre", {"ln_pre"}},
      block("norm1", {"ln_1"}),
      block("attn.qkv.weight", {"attn.in_proj_weight"}),
      block("attn.qkv.bias", {"attn.in_proj_bias"}),
      block("attn.proj", {"attn.out_proj"}),
      block("norm2", {"ln_2"}),
      block("mlp.fc1", {"mlp.c_fc"}),
      block("mlp.fc2", {"mlp.c_proj"}),
      {"norm", {"ln_post"}},
      {"head.bias", {}},
      {"head.weight", {"proj"}, true},
  };
}

/// Beside the tower: the text's, and numbers that OpenAI's archives have.
std::vector<std::string> openai_text_names() {
  return {"transformer.",   "token_embedding.", "positional_embedding",
          "ln_final.",      "text_projection",  "text.",
          "logit_scale",    "logit_bias",       "input_resolution",
          "context_length", "vocab_size"};
}

/// `text` without `end`, which it need not have.
std::string without_end(const std::string& text, const std::string& end) {
  return text.ends_with(end) ? text.substr(0, text.size() - end.size()) : text;
}

std::vector<std::string> all_with_prefix(const std::string& prefix,
                                         std::vector<std::string> names) {
  for (std::string& name : names) name.insert(0, prefix);
  return names;
}

/// What a file may have beside the tower with that prefix: the rest of the model, unless it is the
/// tower's alone.
std::vector<std::string> openai_names_beside(const std::string& prefix) {
  const std::string outer = without_end(prefix, "visual.");
  return outer == prefix ? std::vector<std::string>{} : all_with_prefix(outer, openai_text_names());
}

}  // namespace

WeightNames hugging_face_clip_names() {
  return {"Hugging Face", "", hugging_face_clip_rules("vision_model."), {}};
}

WeightNames clip_vit_names(const WeightsFile& file) {
  if (const auto prefix = prefix_of(file, "embeddings.class_embedding")) {
    const std::string outer = without_end(*prefix, "vision_model.");
    return {"Hugging Face", outer, hugging_face_clip_rules(prefix->substr(outer.size())),
            all_with_prefix(outer, {"vision_model.embeddings.position_ids", "visual_projection.",
                                    "text_model.", "text_projection.", "logit_scale"})};
  }
  if (const auto prefix = prefix_of(file, "class_embedding")) {
    std::vector<std::string> ignored = openai_names_beside(*prefix);
    ignored.push_back(*prefix + "proj");
    return {"OpenAI", *prefix, openai_rules(), ignored};
  }
  return {"timm", "", {}, {"head."}};
}

WeightNames clip_resnet_names(const WeightsFile& file) {
  const auto prefix = prefix_of(file, "attnpool.q_proj.weight");
  if (!prefix) return {"this program", "", {}, {}};
  return {"OpenAI",
          *prefix,
          {{"attnpool.qkv", {"attnpool.q_proj", "attnpool.k_proj", "attnpool.v_proj"}}},
          openai_names_beside(*prefix)};
}

}  // namespace rela
