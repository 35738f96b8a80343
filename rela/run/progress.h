#pragma once
// The progress line: a bar that redraws itself on a terminal, plain lines elsewhere.

#include <cstdint>
#include <string>

namespace rela {

struct ProgressState {
  int64_t step = 0;
  int64_t total_steps = 0;
  double epoch = 0;   // fractional
  std::string phase;  // "byol"
  double loss = 0;
  double lr = 0;
  double tau = 0;
  double images_per_s = 0;
  double iter_ms = 0;
  double data_wait = 0;  // share of the time spent waiting for data, [0, 1]
  double eta_s = 0;
};

/// "step 120/3900 | epoch 0.31 byol | loss 2.314 | lr 1.0e-03 | tau 0.9900 | 480 img/s | 267 ms
/// (wait 1%) | eta 0:16:48"
std::string format_progress(const ProgressState& state);
/// The same as one line of `columns` characters with a bar in front.
std::string format_progress_bar(const ProgressState& state, int columns);

/// A pass over images, outside of training.
struct PassProgress {
  std::string what;  // "targets"
  int64_t done = 0;
  int64_t total = 0;
  double images_per_s = 0;
  double eta_s = 0;
};
/// "targets 12800/50000 | 480 img/s | eta 0:01:18"
std::string format_progress(const PassProgress& progress);
std::string format_progress_bar(const PassProgress& progress, int columns);

/// "0:16:48"; "?" for an unknown time.
std::string format_clock(double seconds);

/// Shows the progress. On a terminal the bar is redrawn in place; clear() removes it before a log
/// line.
class ProgressDisplay {
 public:
  enum class Style : uint8_t { kOff, kPlain, kBar };
  /// Bar when stderr is a terminal, else plain; off when quiet.
  explicit ProgressDisplay(Style style) : style_(style) {}
  static Style style_for_stderr();

  /// `logged`: whether this step also goes to the log; plain style prints only those.
  void show(const ProgressState& state, bool logged);
  void show(const PassProgress& progress, bool logged);
  void clear();

 private:
  void draw(const std::string& bar);

  Style style_;
  bool drawn_ = false;
};

}  // namespace rela
