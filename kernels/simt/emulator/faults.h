#pragma once
// Turns what would end or hang the process into an error of the launch: invalid accesses, integer
// division by zero, stack overflow, and kernels that run too long.

namespace rela::simt {

/// While this object lives, faults in lanes of this thread become fail(). Sanitizers handle invalid
/// accesses themselves.
class FaultGuard {
 public:
  explicit FaultGuard(double max_seconds);  // 0: no limit
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  /// True once the launch has used up its time.
  static bool expired();
};

}  // namespace rela::simt
