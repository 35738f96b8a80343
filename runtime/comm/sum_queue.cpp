#include "runtime/comm/sum_queue.h"

#include <utility>

#include "runtime/thread.h"

namespace rela {

SumQueue::~SumQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  there_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SumQueue::push(const WireBuffer& buffer) {
  if (!thread_.joinable()) thread_ = start_thread([this] { work(); });
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(buffer);
  }
  there_.notify_one();
}

void SumQueue::wait() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return waiting_.empty() && !busy_; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void SumQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    there_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    const WireBuffer buffer = waiting_.front();
    waiting_.pop_front();
    busy_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      sum_(buffer);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    if (failure) {
      failure_ = failure;
      waiting_.clear();
    }
    if (waiting_.empty()) done_.notify_all();
  }
}

}  // namespace rela
