#pragma once
// A cache of plans of oneDNN, cuDNN and cuBLASLt, and of choices between algorithms.

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace rela {

/// Plans by key: making one costs milliseconds, a look-up next to nothing. Thread-safe. Key must be
/// ordered. Plans are never dropped: a run uses few shapes. GPU libraries unload parts of
/// themselves at exit before the destructors of objects made earlier, so caches of their plans and
/// handles are never destroyed either: `static auto& cache = *new PlanCache<...>;`
template <class Key, class Plan>
class PlanCache {
 public:
  const Plan& get(const Key& key, const std::function<std::unique_ptr<Plan>(const Key&)>& make) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Plan>& plan = plans_[key];
    if (!plan) plan = make(key);
    return *plan;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

/// The key of a CPU library's plan: a pass of a problem, for a number of threads.
template <class Problem, class Pass>
struct PassOnThreads {
  Problem problem;
  Pass pass{};
  int threads = 1;
  auto operator<=>(const PassOnThreads&) const = default;
};

/// The key of a GPU library's plan: a call, on a device.
template <class Call>
struct CallOnDevice {
  int device = 0;
  Call call;
  auto operator<=>(const CallOnDevice&) const = default;
};

}  // namespace rela
