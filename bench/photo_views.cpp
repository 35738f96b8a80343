// Our side of compare_torchvision.py: two views of every photograph of a folder, on one thread.
//
// usage: photo_views FOLDER SIDE IMAGES [gpu]     prints images per second; gpu: of what is left to
//                                                 the CPU where a GPU renders the views

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "rela/data/loader.h"
#include "rela/data/photos/photos.h"

namespace {

/// BYOL's two augmentations.
rela::LoaderOptions options(int64_t side) {
  rela::LoaderOptions o;
  o.batch_size = 32;
  o.views[0].crop_size = o.views[1].crop_size = side;
  o.views[0].blur.prob = 1.0;
  o.views[1].blur.prob = 0.1;
  o.views[1].solarize.prob = 0.2;
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  const bool has_gpu = argc == 5 && std::string_view(argv[4]) == "gpu";
  if (argc != 4 && !has_gpu) {
    std::fputs("usage: photo_views FOLDER SIDE IMAGES [gpu]\n", stderr);
    return 2;
  }
  rela::DatasetSource source;
  source.format = rela::DataFormat::kImageFolder;
  source.path = argv[1];
  const auto set = rela::open_photos(source);
  rela::LoaderOptions o = options(std::atoll(argv[2]));
  if (has_gpu) o.augment_on = rela::AugmentOn::kDevice;
  const int64_t batches = std::atoll(argv[3]) / o.batch_size;
  rela::TwoViewLoader loader(*set, o);
  for (int i = 0; i < 4; ++i) loader.next();  // what was made ahead before the clock starts
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < batches; ++i) loader.next();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.2f\n", static_cast<double>(batches * o.batch_size) / seconds.count());
  return 0;
}
