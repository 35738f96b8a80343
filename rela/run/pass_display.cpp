#include "rela/run/pass_display.h"

#include <algorithm>
#include <memory>

namespace rela {

void PassDisplay::show(int64_t done, int64_t total) {
  const Seconds elapsed = std::chrono::steady_clock::now() - start_;
  if (elapsed < quiet_) return;
  const double rate = static_cast<double>(done) / elapsed.count();
  const bool logged = done >= next_ && elapsed - spoken_ >= quiet_;
  if (logged) {
    next_ = (10 * done / total + 1) * total / 10;  // the next tenth
    spoken_ = elapsed;
  }
  display_.show(PassProgress{.what = what_,
                             .done = done,
                             .total = total,
                             .images_per_s = rate,
                             .eta_s = static_cast<double>(total - done) / rate},
                logged);
}

std::function<void(int64_t done, int64_t total)> show_pass(ProgressDisplay::Style style,
                                                           std::string what) {
  auto display = std::make_shared<PassDisplay>(style, std::move(what));
  return [display](int64_t done, int64_t total) { display->show(done, total); };
}

}  // namespace rela
