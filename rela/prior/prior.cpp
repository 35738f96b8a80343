#include "rela/prior/prior.h"

#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

/// Images of one size in a tensor [N, H, W, 3] u8, without labels.
class TensorImages : public ImageDataset {
 public:
  explicit TensorImages(const Tensor& images) : images_(images) {}
  int64_t size() const override { return images_.shape()[0]; }
  int64_t num_classes() const override { return 1; }
  int64_t label(int64_t) const override { return 0; }
  ImageView image(int64_t index, std::vector<uint8_t>&) const override {
    const ImageDims dims{images_.shape()[1], images_.shape()[2]};
    return {images_.data<uint8_t>() + index * dims.height * dims.width * 3, dims};
  }
  const std::vector<std::string>& class_names() const override { return names_; }
  uint64_t fingerprint() const override { return 0; }

 private:
  Tensor images_;
  std::vector<std::string> names_{"image"};
};

std::string sha256_of(const Module& module) {
  Sha256 hash;
  for (const StateTensor& t : state_of(module)) {
    if (t.value.dtype() != Dtype::kF32) continue;  // counters do not affect what the model computes
    hash.update(t.name.data(), static_cast<int64_t>(t.name.size()) + 1);  // with its final zero
    hash.update(t.value.raw(), static_cast<int64_t>(t.value.bytes()));
  }
  return hash.hex();
}

}  // namespace

Prior::Prior(const PriorSpec& spec, Device device) : device_(device) {
  const auto& [model, weights, normalize, image_size, activation, allow_partial] = spec.source;
  if (model == kRandomPrior) {
    backbone_ = make_backbone(spec.student);
    initialize(*backbone_, spec.seed, init_of(spec.student));
    input_.image_size = spec.student_image_size;
    description_ = cat("random ", name_of(spec.student), " of seed ", spec.seed);
  } else {
    ModelSource source =
        model == kExportedPrior ? exported_model(weights) : named_model(model, weights, activation);
    if (image_size) {
      const std::string complaint = resize_images(source, *image_size);
      RELA_CHECK(complaint.empty(), ConfigError, "rela.prior.image_size: ", complaint);
    }
    tell_assumed_size(source, "rela.prior.image_size says another");
    source.allow_partial = allow_partial;
    backbone_ = load_backbone(source);
    input_ = source.input;
    variant_ = what_weights_do_not_show(source.spec);
    description_ = cat(name_of(source.spec), variant_.empty() ? "" : " with " + variant_, ", ",
                       source.weights_file);
  }
  if (normalize) input_.normalization = *normalize;
  weights_sha256_ = sha256_of(*backbone_);
  backbone_->move_to(device);
}

EvalOptions Prior::eval_options(int64_t batch_size) const {
  return {.batch_size = batch_size,
          .image_size = input_.image_size,
          .photos = {.ratio = 1, .filter = input_.photos.filter},  // ReLA's: the whole shorter side
          .normalization = input_.normalization,
          .device = device_};
}

Tensor Prior::embed(const Tensor& images) const {
  RELA_CHECK(images.shape().rank() == 4 && images.shape().back() == 3, ShapeError, "prior: images ",
             describe(images), "; [B, H, W, 3] is allowed");
  if (images.dtype() == Dtype::kU8) {
    if (images.shape()[0] == 0) return Tensor::empty({0, width()}, Dtype::kF32, device_);
    const TensorImages dataset(images);
    EvalLoader loader(dataset, eval_options(images.shape()[0]));
    return embed(loader.next()->images);
  }
  const NoGradGuard no_grad;
  return backbone_->forward(Var(images), {.norm = NormMode::kEval}).value();
}

}  // namespace rela
