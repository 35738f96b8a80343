#pragma once
// Timing a library's ways of doing a call, on the current device and its default stream, and what
// was found.

#include <cstddef>
#include <functional>
#include <vector>

#include "kernels/library_versions.h"
#include "kernels/simt/device.h"
#include "kernels/tuning/choice_file.h"
#include "kernels/types.h"

namespace rela {

/// Device memory of zeros, as far as there is enough; given back at the end.
class MeasuringMemory {
 public:
  MeasuringMemory() = default;
  ~MeasuringMemory();
  MeasuringMemory(const MeasuringMemory&) = delete;
  MeasuringMemory& operator=(const MeasuringMemory&) = delete;

  /// Null where there is not enough, and for 0 bytes.
  void* take(size_t bytes);
  void* take(int64_t elements, Dtype dtype) {
    return take(static_cast<size_t>(elements) * dtype_bytes(dtype));
  }
  /// Whether take() was never refused.
  bool suffices() const { return suffices_; }

 private:
  std::vector<void*> blocks_;
  bool suffices_ = true;
};

/// Milliseconds of the fastest of a few runs of `work`; the first one, which also loads the kernel,
/// does not count.
float fastest_milliseconds(const std::function<void()>& work);

/// The process's file of a library's choices on a device, in tuning().folder.
ChoiceFile& choice_file(int device, const LibraryVersion& library);

}  // namespace rela
