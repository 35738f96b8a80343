#include "rela/run/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/log.h"

namespace rela {
namespace {

/// "[=====     ]  25% text", cut to the columns.
std::string bar_line(int64_t done, int64_t total, const std::string& text, int columns) {
  constexpr int kBarWidth = 20;
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  const int filled = std::clamp(static_cast<int>(share * kBarWidth), 0, kBarWidth);
  std::string line =
      fmt::format("[{}{}] {:3.0f}% {}", std::string(static_cast<size_t>(filled), '='),
                  std::string(static_cast<size_t>(kBarWidth - filled), ' '), 100 * share, text);
  const auto room = static_cast<size_t>(std::max(columns - 1, 0));
  if (line.size() > room) line.resize(room);
  return line;
}

int terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100;
  return size.ws_col;
}

}  // namespace

std::string format_clock(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "?";
  const auto total = static_cast<int64_t>(std::lround(seconds));
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

std::string format_progress(const ProgressState& s) {
  return fmt::format(
      "step {}/{} | epoch {:.2f} {} | loss {:.4f} | lr {:.2e} | tau {:.4f} | {:.0f} img/s | {:.0f} "
      "ms (wait {:.0f}%) | "
      "eta {}",
      s.step, s.total_steps, s.epoch, s.phase, std::isnan(s.loss) ? std::abs(s.loss) : s.loss, s.lr,
      s.tau, s.images_per_s, s.iter_ms, 100 * s.data_wait, format_clock(s.eta_s));
}

std::string format_progress_bar(const ProgressState& s, int columns) {
  return bar_line(s.step, s.total_steps, format_progress(s), columns);
}

std::string format_progress(const PassProgress& p) {
  return fmt::format("{} {}/{} | {:.0f} img/s | eta {}", p.what, p.done, p.total, p.images_per_s,
                     format_clock(p.eta_s));
}

std::string format_progress_bar(const PassProgress& p, int columns) {
  return bar_line(p.done, p.total, format_progress(p), columns);
}

ProgressDisplay::Style ProgressDisplay::style_for_stderr() {
  return isatty(STDERR_FILENO) != 0 ? Style::kBar : Style::kPlain;
}

void ProgressDisplay::show(const ProgressState& state, bool logged) {
  if (style_ == Style::kBar) draw(format_progress_bar(state, terminal_columns()));
  if (style_ == Style::kPlain && logged) log_info(format_progress(state));
}

void ProgressDisplay::show(const PassProgress& progress, bool logged) {
  if (style_ == Style::kBar) draw(format_progress_bar(progress, terminal_columns()));
  if (style_ == Style::kPlain && logged) log_info(format_progress(progress));
}

void ProgressDisplay::draw(const std::string& bar) {
  std::fprintf(stderr, "\r\033[K%s", bar.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressDisplay::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

}  // namespace rela
