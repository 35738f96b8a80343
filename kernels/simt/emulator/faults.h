#pragma once
// Turns what would end the process, or never end, into an error of the launch: invalid accesses,
// integer division by zero, stack overflow, and kernels that run too long.

namespace rela::simt {

/// Between construction and destruction, faults in lanes of this thread become fail(). Sanitizers
/// keep invalid accesses to themselves.
class FaultGuard {
 public:
  explicit FaultGuard(double max_seconds);  // 0: no limit
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  /// The launch has used up its time.
  static bool expired();
};

}  // namespace rela::simt
