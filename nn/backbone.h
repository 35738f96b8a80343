#pragma once
// Models that turn images into feature vectors, and the families they come in. A new family is a
// struct that meets BackboneFamily, in files of its own, and an entry in BackboneSpec.

#include <concepts>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "kernels/augment/normalize.h"
#include "nn/cifar_resnet_spec.h"
#include "nn/clip_resnet_spec.h"
#include "nn/clip_vit_spec.h"
#include "nn/module.h"
#include "nn/resnet_spec.h"
#include "nn/state.h"
#include "nn/vit_spec.h"

namespace rela {

/// A model that turns images into feature vectors.
class Backbone : public Module {
 public:
  /// images [N, H, W, 3] f32 or bf16, normalised -> [N, feature_width()].
  virtual Var forward(const Var& images, const ForwardContext& context) = 0;
  virtual int64_t feature_width() const = 0;
  /// How probably training leaves out each branch that can be (stochastic depth). Empty: none can.
  virtual std::vector<float> branch_drop_rates() const { return {}; }
};

/// What a family states about its models: a plain struct whose members describe one of them.
template <class F>
concept BackboneFamily = requires(F spec, const F model, ConfigTable& table,
                                  const WeightsFile& weights) {
  { F::names() } -> std::same_as<std::vector<std::string>>;  // of its models
  { F::title() } -> std::convertible_to<std::string>;        // "vision transformers"
  // How a config makes its models smaller: "lower backbone.width".
  { F::how_to_shrink() } -> std::convertible_to<std::string>;
  { model.name } -> std::convertible_to<std::string>;  // one of them
  { model.init } -> std::convertible_to<ConvInit>;     // of a model that is trained or stays random
  { model.make() } -> std::same_as<std::unique_ptr<Backbone>>;
  { model.classifier() } -> std::convertible_to<std::string>;   // its name in published weights
  { model.global_pool() } -> std::convertible_to<std::string>;  // how it pools, in timm's words
  // Of the images that published weights were trained on.
  { model.usual_normalization() } -> std::same_as<Normalization>;
  { model.usual_image_size() } -> std::convertible_to<int64_t>;  // side of what it is trained on
  { model.usual_filter() } -> std::same_as<ResizeFilter>;  // kBicubic: and no margin is cut off
  { model.description() } -> std::same_as<std::string>;    // "resnet18 of width 64"
  { model.identity() } -> std::same_as<std::string>;       // differs where networks do; names files
  // Takes the side of the images it will be trained on; what is wrong with it, or nothing.
  { spec.fit_images(int64_t{}) } -> std::same_as<std::string>;
  spec.take_name(std::string());  // of one of its models, and what that says of the rest
  // What the function depends on beside weights and image size; part of what targets are named by.
  { model.what_weights_do_not_show() } -> std::same_as<std::string>;
  { model.mistake() } -> std::same_as<std::string>;  // of `activation`, or nothing
  spec.read_shape(weights);  // what a file of weights reveals; the rest stays as it is
  { model.load_options(weights) } -> std::same_as<LoadOptions>;  // how such a file names them
  describe_shape(table, spec);  // the keys of its shape, in configs and in exports
};

template <BackboneFamily... F>
using OneOfFamilies = std::variant<F...>;
/// Which network: all families there are.
using BackboneSpec =
    OneOfFamilies<ResNetSpec, CifarResNetSpec, VitSpec, ClipVitSpec, ClipResNetSpec>;

/// One model of each family, with its defaults.
std::vector<BackboneSpec> backbone_families();
std::vector<std::string> names_of_family(const BackboneSpec& family);
/// "ResNets", "vision transformers"
std::string family_title(const BackboneSpec& family);
/// How a config asks for less of the family: "lower backbone.width".
std::string how_to_shrink(const BackboneSpec& family);
/// Names of all models, by family.
std::vector<std::string> backbone_names();
/// The model of that name with its family's defaults. Throws ConfigError for an unknown name,
/// listing the known ones.
BackboneSpec backbone_named(const std::string& name);
/// Throws ConfigError for an unknown name, listing the known ones, and for a shape out of range.
std::unique_ptr<Backbone> make_backbone(const BackboneSpec& spec);

const std::string& name_of(const BackboneSpec& spec);
/// Whether it is a vision transformer: a stack of blocks.
bool is_transformer(const BackboneSpec& spec);
ConvInit init_of(const BackboneSpec& spec);
/// "resnet18 of width 64"
std::string describe(const BackboneSpec& spec);
/// "avg", "token"
std::string global_pool_of(const BackboneSpec& spec);
/// What is wrong with a network's activation, or nothing.
std::string mistake_of(const BackboneSpec& spec);
/// What its function depends on beside weights and image size: "quick_gelu", or nothing.
std::string what_weights_do_not_show(const BackboneSpec& spec);
/// Fits a network to images of that side. What is wrong with the size, or nothing.
std::string fit_images(BackboneSpec& spec, int64_t side);
/// Text that differs between networks that differ. Names files: may not change.
std::string identity_of(const BackboneSpec& spec);

}  // namespace rela
