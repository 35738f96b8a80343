#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "rela/run/progress.h"

namespace rela {

/// How a pass over images goes: "<what> 12800/50000 | 480 img/s | eta 0:01:18". A bar on a
/// terminal, elsewhere a line now and then. A pass that is over soon shows nothing.
class PassDisplay {
 public:
  using Seconds = std::chrono::duration<double>;
  static constexpr Seconds kUsualQuiet{3};

  /// Shows nothing before `quiet` has gone by; lines are as far apart and a tenth of the pass.
  PassDisplay(ProgressDisplay::Style style, std::string what, Seconds quiet = kUsualQuiet)
      : display_(style), what_(std::move(what)), quiet_(quiet) {}
  ~PassDisplay() { display_.clear(); }
  PassDisplay(const PassDisplay&) = delete;
  PassDisplay& operator=(const PassDisplay&) = delete;

  void show(int64_t done, int64_t total);

 private:
  ProgressDisplay display_;
  std::string what_;
  Seconds quiet_;
  int64_t next_ = 0;   // images from which the next line is due
  Seconds spoken_{0};  // when the last line was due
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A display, from now on, as a function of the images done and all.
std::function<void(int64_t done, int64_t total)> show_pass(ProgressDisplay::Style style,
                                                           std::string what);

}  // namespace rela
