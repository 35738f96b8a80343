#pragma once
// Plans, made once: of oneDNN, cuDNN and cuBLASLt, and choices between ways.

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace rela {

/// Plans by what they were made for: making one costs milliseconds, a look-up nothing that counts.
/// Thread-safe. Key is ordered. Plans are never dropped: a run meets few shapes.
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

/// What a plan of a GPU library is made for: a call, on a device.
template <class Call>
struct CallOnDevice {
  int device = 0;
  Call call;
  auto operator<=>(const CallOnDevice&) const = default;
};

}  // namespace rela
