// One side of bench/compare_pytorch.py: runs BYOL training steps on given weights and images, on
// request.
//
//   byol_step MODEL.safetensors IMAGES.safetensors WIDTH PRECISION THREADS
//
// Weights have the names of a checkpoint's model.safetensors (no buffers needed); "images" is [2B,
// H, W, 3] f32. Each line "N" on stdin runs N steps (AdamW 1e-3, tau .99) and prints one JSON line
// with the loss of the first of them, the seconds per step and the number of requests to the
// system's memory allocator.
#include <chrono>
#include <cstdio>
#include <iostream>

#include "byol_training_step.h"
#include "kernels/cpu/parallel.h"
#include "rela/programs/program.h"
#include "runtime/allocator.h"
#include "runtime/io/safetensors.h"

namespace rela {
namespace {

Tensor read_images(const std::string& path, Dtype dtype) {
  const SafetensorsReader file(path);
  const WeightsEntry* entry = file.find("images");
  RELA_CHECK(entry != nullptr, WeightsError, path, ": no tensor \"images\"");
  Tensor images = Tensor::empty(entry->shape, Dtype::kF32);
  file.read_as_f32("images", images.data<float>(), images.numel());
  return cast(Var(images), dtype).value();
}

void read_weights(const std::string& path, Byol& byol) {
  std::vector<StateTensor> parameters;
  for (const NamedParameter& p : byol.parameters().parameters()) {
    parameters.push_back({p.name, p.var.value(), p.kind == ParameterKind::kConvWeight});
  }
  load_state(SafetensorsReader(path), parameters);
  byol.parameters().refresh_compute_copy();
  byol.target()->copy_online_weights();
}

ExitCode run(int argc, char** argv) {
  RELA_CHECK(argc == 6, UsageError, "usage: byol_step MODEL IMAGES WIDTH fp32|bf16 THREADS");
  set_cpu_threads(std::stoi(argv[5]));
  const Dtype compute = std::string(argv[4]) == "bf16" ? Dtype::kBf16 : Dtype::kF32;
  Byol byol({.backbone = ResNetSpec{.width = std::stoll(argv[3])}, .compute = compute},
            /*seed=*/1);
  read_weights(argv[1], byol);
  const TwoViewBatch batch{.images = read_images(argv[2], compute)};
  Optimizer optimizer(step_optimizer(), byol.parameters(), byol.target());
  for (int64_t steps = 0; std::cin >> steps;) {
    const auto start = std::chrono::steady_clock::now();
    float first_loss = 0;
    for (int64_t i = 0; i < steps; ++i) {
      const float loss = byol_training_step(byol, optimizer, batch);
      if (i == 0) first_loss = loss;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf(
        "{\"loss\": %.8f, \"seconds_per_step\": %.6f, \"system_allocations\": %llu}\n",
        static_cast<double>(first_loss), seconds / static_cast<double>(steps),
        static_cast<unsigned long long>(Allocator::of(Device::kCpu).stats().system_allocations));
    std::fflush(stdout);
  }
  return ExitCode::kDone;
}

}  // namespace
}  // namespace rela

int main(int argc, char** argv) {
  rela::configure_openmp(argv);
  return rela::run_program([&] { return rela::run(argc, argv); });
}
