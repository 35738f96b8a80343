#pragma once
// Times a library's algorithms for a call on the current device and its default stream, and keeps
// the results.

#include <cstddef>
#include <functional>
#include <vector>

#include "kernels/libraries/tuning/choice_file.h"
#include "kernels/libraries/versions.h"
#include "kernels/simt/device.h"
#include "kernels/types.h"

namespace rela {

/// Device memory, while it lasts; freed by the destructor.
class MeasuringMemory {
 public:
  MeasuringMemory() = default;
  ~MeasuringMemory();
  MeasuringMemory(const MeasuringMemory&) = delete;
  MeasuringMemory& operator=(const MeasuringMemory&) = delete;

  /// Zeros, for scratch. Null if there is not enough, and for 0 bytes.
  void* take(size_t bytes);
  /// Random values from [-1, 1), for tensors: on zeros a GPU draws less power and clocks higher,
  /// and some kernels leave early. Integers are zeros.
  void* take(int64_t elements, Dtype dtype);
  /// True if no take() has failed.
  bool suffices() const { return suffices_; }

 private:
  std::vector<void*> blocks_;
  bool suffices_ = true;
};

/// Milliseconds of the fastest of a few runs of `work`; the first one, which also loads the kernel,
/// does not count.
float fastest_milliseconds(const std::function<void()>& work);

/// This process's file of choices for a library on a device, in tuning().folder.
ChoiceFile& choice_file(int device, const LibraryVersion& library);

}  // namespace rela
