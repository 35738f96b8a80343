#pragma once
// Sums that run beside the computation, in a thread, one after the other.

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "runtime/comm/communicator.h"

namespace rela {

class SumQueue {
 public:
  using SumFn = std::function<void(const WireBuffer&)>;

  /// The thread starts with the first sum.
  explicit SumQueue(SumFn sum) : sum_(std::move(sum)) {}
  /// Waits for the sum that runs; forgets the others.
  ~SumQueue();
  SumQueue(const SumQueue&) = delete;
  SumQueue& operator=(const SumQueue&) = delete;

  void push(const WireBuffer& buffer);
  /// Waits until all are done. Rethrows what the first failed one threw; those after it were not
  /// made.
  void wait();

 private:
  void work();

  SumFn sum_;
  std::mutex mutex_;
  std::condition_variable there_;  // a sum, or the end
  std::condition_variable done_;
  std::deque<WireBuffer> waiting_;
  bool busy_ = false;
  bool stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace rela
