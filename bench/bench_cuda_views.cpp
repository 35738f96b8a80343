// Random views on a GPU: a batch's images in device memory to its two views each, with the
// probabilities of BYOL. What counts as traffic is each image read once, and each view written.

#include <vector>

#include "cuda_timing.h"
#include "kernels/augment/render_views.h"
#include "kernels/random/random_stream.h"

namespace rela {
namespace {

struct Views {
  int64_t images = 256;
  int64_t side = 32;  // of images and views
};

ViewSpec byol_spec(int64_t side, bool is_second) {
  ViewSpec spec;
  spec.crop_size = side;
  spec.blur.prob = is_second ? 0.1 : 1.0;
  spec.solarize.prob = is_second ? 0.2 : 0.0;
  return spec;
}

Tensor random_images(const Views& v) {
  Tensor host = Tensor::empty({v.images, v.side, v.side, 3}, Dtype::kU8);
  RandomStream random({.seed = 1});
  for (uint8_t& byte : host.span<uint8_t>()) byte = static_cast<uint8_t>(random.below(256));
  return host.to(Device::kCuda);
}

Tensor drawn_jobs(const Views& v) {
  std::vector<ViewJob> jobs;
  const ImageDims dims{v.side, v.side};
  for (int64_t view = 0; view < 2; ++view) {
    const ViewSpec spec = byol_spec(v.side, view == 1);
    for (int64_t i = 0; i < v.images; ++i) {
      const ViewKey key{.sample = static_cast<uint64_t>(i), .view = static_cast<uint8_t>(view)};
      jobs.push_back({i * v.side * v.side * 3, dims, draw_view_params(spec, dims, key)});
    }
  }
  const size_t bytes = jobs.size() * sizeof(ViewJob);
  Tensor there = Tensor::empty({static_cast<int64_t>(bytes)}, Dtype::kU8, Device::kCuda);
  cuda_copy(there.raw(), jobs.data(), bytes, CopyKind::kHostToDevice);
  return there;
}

void time_views(benchmark::State& state, const Views& v, Dtype dtype) {
  const int64_t views = 2 * v.images;
  const Tensor images = random_images(v), jobs = drawn_jobs(v);
  Tensor out = Tensor::empty({views, v.side, v.side, 3}, dtype, Device::kCuda);
  const auto room = static_cast<int64_t>(render_views_workspace_bytes(views, v.side));
  const Tensor workspace = Tensor::empty({room}, Dtype::kU8, Device::kCuda);
  const RenderViewsArgs args{.images = static_cast<const uint8_t*>(images.raw()),
                             .jobs = static_cast<const ViewJob*>(jobs.raw()),
                             .out = out.raw(),
                             .workspace = {const_cast<void*>(workspace.raw()), workspace.bytes()}};
  const ViewOutput output{v.side, imagenet_normalization(), dtype};
  time_on_device(state, [&] { render_views_cuda(args, views, output, cuda_compute_stream()); });
  count(state, static_cast<double>(images.bytes() + out.bytes()));
}

const bool kRegistered = [] {
  const std::vector<Views> all = kEmulated ? std::vector<Views>{{2, 32}, {1, 112}}
                                           : std::vector<Views>{{512, 32}, {256, 96}, {256, 224}};
  for (const Views& v : all) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
      const std::string name = "render_views/cuda/images:" + std::to_string(v.images) +
                               "/side:" + std::to_string(v.side) + "/dtype:" + dtype_name(dtype);
      register_on_cuda(name, [=](benchmark::State& state) { time_views(state, v, dtype); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace rela
