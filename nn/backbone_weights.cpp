#include "nn/backbone_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "runtime/error.h"
#include "runtime/io/open_weights.h"
#include "runtime/io/quoted.h"

namespace rela {
namespace {

/// What a part of a name is elsewhere: both end where a part of the name does, or are whole.
struct Rename {
  std::string_view theirs;
  std::string_view ours;
};

constexpr std::array kSequential{Rename{"0.", "conv1."},  Rename{"1.", "bn1."},
                                 Rename{"4.", "layer1."}, Rename{"5.", "layer2."},
                                 Rename{"6.", "layer3."}, Rename{"7.", "layer4."}};

constexpr std::array kTorchvisionVit{
    Rename{"class_token", "cls_token"}, Rename{"conv_proj.", "patch_embed.proj."},
    Rename{"encoder.pos_embedding", "pos_embed"}, Rename{"encoder.ln.", "norm."},
    Rename{"heads.head.", "head."}};

constexpr Rename kTorchvisionBlock{"encoder.layers.encoder_layer_", "blocks."};
constexpr std::array kTorchvisionInBlock{
    Rename{"ln_1.", "norm1."},
    Rename{"ln_2.", "norm2."},
    Rename{"self_attention.in_proj_weight", "attn.qkv.weight"},
    Rename{"self_attention.in_proj_bias", "attn.qkv.bias"},
    Rename{"self_attention.out_proj.", "attn.proj."},
    Rename{"mlp.0.", "mlp.fc1."},
    Rename{"mlp.3.", "mlp.fc2."},
    Rename{"mlp.linear_1.", "mlp.fc1."},  // before torchvision 0.14
    Rename{"mlp.linear_2.", "mlp.fc2."}};

std::string as_it_is(const std::string& name) { return name; }

template <size_t N>
std::string renamed(const std::string& name, const std::array<Rename, N>& renames) {
  for (const auto& [theirs, ours] : renames) {
    if (name.starts_with(theirs)) return cat(ours, name.substr(theirs.size()));
  }
  return name;
}

std::string from_sequential(const std::string& name) { return renamed(name, kSequential); }

std::string from_torchvision_vit(const std::string& name) {
  if (!name.starts_with(kTorchvisionBlock.theirs)) return renamed(name, kTorchvisionVit);
  const size_t number = kTorchvisionBlock.theirs.size();
  const size_t dot = name.find('.', number);
  if (dot == std::string::npos) return name;
  return cat(kTorchvisionBlock.ours, name.substr(number, dot + 1 - number),
             renamed(name.substr(dot + 1), kTorchvisionInBlock));
}

/// Somebody's way to name a kind of backbone.
struct Naming {
  const char* whose;
  // Two names that no other kind has together.
  std::string_view sign;
  std::string_view other_sign;
  std::string (*plain)(const std::string& name);
};
constexpr std::array kNamings{
    Naming{"torchvision's names", "layer1.0.conv1.weight", "conv1.weight", as_it_is},
    Naming{"torchvision's layers in a Sequential", "4.0.conv1.weight", "0.weight", from_sequential},
    Naming{"timm's names", "patch_embed.proj.weight", "blocks.0.norm1.weight", as_it_is},
    Naming{"torchvision's names", "conv_proj.weight", "encoder.ln.weight", from_torchvision_vit},
    Naming{"Hugging Face's names", "embeddings.patch_embeddings.projection.weight",
           "embeddings.cls_token", as_it_is},
    Naming{"Hugging Face's names", "vision_model.embeddings.patch_embedding.weight",
           "vision_model.embeddings.class_embedding", as_it_is},
    Naming{"OpenAI's names", "visual.class_embedding", "visual.conv1.weight", as_it_is}};

struct Candidate {
  std::string prefix;
  const Naming* naming = nullptr;
};

/// Every place of the file where a backbone's names begin.
std::vector<Candidate> candidates_in(const WeightsFile& file) {
  std::vector<Candidate> found;
  for (const WeightsEntry& entry : file.entries()) {
    for (const Naming& naming : kNamings) {
      if (!entry.name.ends_with(naming.sign)) continue;
      const std::string prefix = entry.name.substr(0, entry.name.size() - naming.sign.size());
      const bool begins_a_part = prefix.empty() || prefix.ends_with('.');
      if (begins_a_part && file.find(cat(prefix, naming.other_sign)) != nullptr)
        found.push_back({prefix, &naming});
    }
  }
  return found;
}

/// How little a backbone is the one that others use: DINO's teacher is used, its student is not;
/// of the others, the network is used and its moving average is not.
int reluctance(const std::string& prefix) {
  const auto has = [&](std::string_view word) { return prefix.find(word) != std::string::npos; };
  if (has("momentum") || has("encoder_k.") || has("target") || has("_ema") || has("ema_")) return 2;
  return has("student") ? 1 : 0;
}

std::string listed(const std::vector<Candidate>& candidates) {
  std::string text;
  for (const Candidate& c : candidates) text += cat(text.empty() ? "" : ", ", quoted(c.prefix));
  return text;
}

std::optional<Candidate> preferred(const WeightsFile& file, std::vector<Candidate> candidates) {
  if (candidates.empty()) return std::nullopt;
  int least = reluctance(candidates.front().prefix);
  for (const Candidate& c : candidates) least = std::min(least, reluctance(c.prefix));
  std::erase_if(candidates, [&](const Candidate& c) { return reluctance(c.prefix) > least; });
  RELA_CHECK(candidates.size() == 1, WeightsError, file.path(), ": holds ", candidates.size(),
             " backbones, with names behind ", listed(candidates),
             "; take one out by weights convert --prefix");
  return candidates.front();
}

std::optional<Candidate> behind(const WeightsFile& file, const std::vector<Candidate>& candidates,
                                std::string prefix) {
  if (!prefix.empty() && !prefix.ends_with('.')) prefix += '.';
  const auto found = std::ranges::find(candidates, prefix, &Candidate::prefix);
  RELA_CHECK(found != candidates.end(), WeightsError, file.path(), ": no backbone behind ",
             quoted(prefix), "; ",
             candidates.empty() ? "no known one is in the file"
                                : cat("there is one behind ", listed(candidates)));
  return *found;
}

}  // namespace

BackboneWeights::BackboneWeights(std::unique_ptr<WeightsFile> whole,
                                 const std::optional<std::string>& prefix)
    : WeightsFile(whole->path()), whole_(std::move(whole)) {
  const std::vector<Candidate> candidates = candidates_in(*whole_);
  const std::optional<Candidate> chosen =
      prefix ? behind(*whole_, candidates, *prefix) : preferred(*whole_, candidates);
  const std::string before = chosen ? chosen->prefix : "";
  std::vector<WeightsEntry> entries;
  for (size_t i = 0; i < whole_->entries().size(); ++i) {
    WeightsEntry entry = whole_->entries()[i];
    if (!entry.name.starts_with(before)) continue;
    entry.name = entry.name.substr(before.size());
    if (chosen) entry.name = chosen->naming->plain(entry.name);
    entries.push_back(std::move(entry));
    places_.push_back(i);
  }
  set_entries(std::move(entries));
  layout_ = cat(whole_->format(), ", ", chosen ? chosen->naming->whose : "names of no known kind",
                before.empty() ? "" : cat(" behind ", quoted(before)));
}

void BackboneWeights::read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const {
  read_bytes_of(*whole_, places_[index], first, bytes, out);
}

std::unique_ptr<BackboneWeights> open_backbone_weights(const std::string& path,
                                                       const std::optional<std::string>& prefix) {
  return std::make_unique<BackboneWeights>(open_weights(path), prefix);
}

std::string torchvision_vit_name(const std::string& timm_name) {
  const auto back = [](const std::string& name, const auto& renames) {
    for (const auto& [theirs, ours] : renames) {
      if (name.starts_with(ours)) return cat(theirs, name.substr(ours.size()));
    }
    return name;
  };
  if (!timm_name.starts_with(kTorchvisionBlock.ours)) return back(timm_name, kTorchvisionVit);
  const size_t number = kTorchvisionBlock.ours.size();
  const size_t dot = timm_name.find('.', number);
  if (dot == std::string::npos) return timm_name;
  return cat(kTorchvisionBlock.theirs, timm_name.substr(number, dot + 1 - number),
             back(timm_name.substr(dot + 1), kTorchvisionInBlock));
}

}  // namespace rela
