#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "tests/support/temp_dir.h"

namespace rela::test {

/// metrics.jsonl of a made-up successful run: a train line every 10 steps, an evaluation every
/// 1000, one resume.
inline std::string sample_metrics(int64_t steps) {
  std::string out = R"({"event":"start","step":0,"epoch":0,"elapsed_s":0,"feature_dim":512})"
                    "\n";
  for (int64_t step = 10; step <= steps; step += 10) {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    out += fmt::format(
        R"({{"event":"train","step":{},"epoch":{},"elapsed_s":{},"phase":"byol","loss":{},"lr":{},)"
        R"("tau":{},"grad_norm":{},"feature_std":{},"img_per_s":{},"iter_ms":140.5,"data_wait":0.02}})"
        "\n",
        step, static_cast<int64_t>(share * 10), static_cast<double>(step) * 0.14,
        0.6 + 3 * std::exp(-5 * share), 0.001 * (1 - share), 0.99 + 0.01 * share,
        2 + std::sin(static_cast<double>(step)), 0.044 * share,
        900 + 20 * std::cos(static_cast<double>(step)));
    if (step % 1000 == 0) {
      out += fmt::format(
          R"({{"event":"eval","step":{},"epoch":1,"protocol":"knn","top1":{},"correct":1,"total":2}})"
          "\n",
          step, 0.3 + 0.5 * share);
    }
    if (step == steps / 20 * 10) {
      out += fmt::format(R"({{"event":"resume","step":{},"epoch":1,"elapsed_s":1}})"
                         "\n",
                         step);
    }
  }
  return out;
}

/// The other files of a run, as left by a training run of `total` steps at `step`.
inline void write_run_files(const TempDir& dir, const std::string& state, int64_t step,
                            int64_t total) {
  dir.write("config.resolved.json",
            R"({"method":"byol","backbone":{"name":"resnet18","width":16},)"
            R"("augmentations":[{"crop_scale":[0.2,1.0]}],"note":"<script>alert(1)</script>"})");
  dir.write("env.json", R"({"cpu":"some cpu","threads":2})");
  dir.write("status.json",
            fmt::format(R"({{"state":"{}","step":{},"total_steps":{}}})", state, step, total));
}

}  // namespace rela::test
