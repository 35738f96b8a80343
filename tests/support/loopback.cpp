#include "tests/support/loopback.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/types.h"
#include "runtime/comm/sum_queue.h"
#include "runtime/error.h"

namespace rela::test {
namespace {

template <class T>
T sum_of(T a, T b) {
  if constexpr (std::is_same_v<T, Bf16> || std::is_same_v<T, F16>) {
    return store_as<T>(to_float(a) + to_float(b));
  } else {
    return a + b;
  }
}

template <class T>
void add_all(const std::vector<void*>& places, int64_t count) {
  auto* first = static_cast<T*>(places[0]);
  for (size_t rank = 1; rank < places.size(); ++rank) {
    const auto* other = static_cast<const T*>(places[rank]);
    for (int64_t i = 0; i < count; ++i) first[i] = sum_of(first[i], other[i]);
  }
  for (size_t rank = 1; rank < places.size(); ++rank)
    std::memcpy(places[rank], first, static_cast<size_t>(count) * sizeof(T));
}

/// The sum of all ranks' elements, to all ranks' places.
void add_all(const std::vector<void*>& places, int64_t count, WireType type) {
  switch (type) {
    case WireType::kF32:
      return add_all<float>(places, count);
    case WireType::kF64:
      return add_all<double>(places, count);
    case WireType::kBf16:
      return add_all<Bf16>(places, count);
    case WireType::kF16:
      return add_all<F16>(places, count);
    case WireType::kI64:
      return add_all<int64_t>(places, count);
    case WireType::kBytes:
      break;
  }
  throw InternalError("loopback: bytes cannot be summed");
}

/// Where ranks come together, one call after the other.
class Meeting {
 public:
  using Places = std::vector<void*>;  // by rank

  Meeting(int ranks, double timeout_s)
      : timeout_(timeout_s),
        places_(static_cast<size_t>(ranks)),
        calls_(static_cast<size_t>(ranks)) {}

  /// The last to come does the work for all. `call`: what this rank does, in words.
  void meet(int rank, const std::string& call, void* place,
            const std::function<void(const Places&)>& work) {
    std::unique_lock lock(mutex_);
    const auto me = static_cast<size_t>(rank);
    calls_[me] = call;
    places_[me] = place;
    const uint64_t now = round_;
    check();
    if (++here_ == places_.size()) {
      work(places_);
      begin_round();
    } else if (!changed_.wait_for(lock, timeout_,
                                  [&] { return round_ != now || !trouble_.empty(); })) {
      fail(cat(describe(me), ", and not all others came in ", timeout_.count(), " s"));
    }
    if (round_ == now) throw DistributedError(trouble_);
  }
  /// This rank makes no more calls.
  void leave(int rank) {
    const std::lock_guard lock(mutex_);
    calls_[static_cast<size_t>(rank)] = kLeft;
    for (size_t other = 0; other < calls_.size(); ++other) {
      if (calls_[other].empty() || calls_[other] == kLeft) continue;
      note(cat(describe(other), ", and ", describe(static_cast<size_t>(rank))));
      return;
    }
  }

 private:
  static constexpr const char* kLeft = "left";

  std::string describe(size_t rank) const {
    const std::string& call = calls_[rank];
    return cat("rank ", rank, call == kLeft ? " has left" : " calls " + call);
  }

  /// All that are here make the same call.
  void check() {
    if (!trouble_.empty()) throw DistributedError(trouble_);
    for (size_t a = 0; a < calls_.size(); ++a) {
      for (size_t b = a + 1; b < calls_.size(); ++b) {
        if (calls_[a].empty() || calls_[b].empty() || calls_[a] == calls_[b]) continue;
        fail(cat(describe(a), ", and ", describe(b)));
      }
    }
  }
  void begin_round() {
    here_ = 0;
    ++round_;
    for (std::string& call : calls_) {
      if (call != kLeft) call.clear();
    }
    changed_.notify_all();
  }
  void note(const std::string& trouble) {
    if (trouble_.empty()) trouble_ = "loopback: " + trouble;
    changed_.notify_all();
  }
  [[noreturn]] void fail(const std::string& trouble) {
    note(trouble);
    throw DistributedError(trouble_);
  }

  std::chrono::duration<double> timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t round_ = 0;
  size_t here_ = 0;  // ranks that have come in this round
  Places places_;
  std::vector<std::string> calls_;
  std::string trouble_;  // what ended the meeting
};

/// What all ranks share.
struct Loopback {
  explicit Loopback(const LoopbackOptions& options)
      : size(options.ranks),
        main(options.ranks, options.timeout_s),
        beside(options.ranks, options.timeout_s) {}
  int size;
  Meeting main;
  Meeting beside;  // of the queues' threads
};

class LoopbackRank : public Communicator {
 public:
  LoopbackRank(Loopback& all, int rank)
      : all_(all),
        rank_(rank),
        queue_([this](const WireBuffer& buffer) { sum(all_.beside, buffer); }) {}
  ~LoopbackRank() override {
    all_.main.leave(rank_);
    all_.beside.leave(rank_);
  }

  int rank() const override { return rank_; }
  int size() const override { return all_.size; }
  void sum(const WireBuffer& buffer) override { sum(all_.main, buffer); }
  void begin_sum(const WireBuffer& buffer) override { queue_.push(buffer); }
  void finish_sums() override { queue_.wait(); }
  std::vector<std::string> gather(std::string_view message) override {
    struct Exchange {
      std::string_view mine;
      std::vector<std::string> all;
    } exchange{message, {}};
    all_.main.meet(rank_, "gather", &exchange, [](const Meeting::Places& places) {
      std::vector<std::string> messages;
      for (void* place : places) messages.emplace_back(static_cast<Exchange*>(place)->mine);
      for (void* place : places) static_cast<Exchange*>(place)->all = messages;
    });
    return exchange.all;
  }
  void sum_on_host(std::span<double> numbers) override {
    sum(all_.main, {numbers.data(), std::ssize(numbers), WireType::kF64});
  }
  void barrier() override {
    all_.main.meet(rank_, "barrier", nullptr, [](const Meeting::Places&) {});
  }

 private:
  void sum(Meeting& meeting, const WireBuffer& b) const {
    meeting.meet(rank_, cat("sum of ", b.count, " ", wire_name(b.type)), b.data,
                 [&](const Meeting::Places& places) { add_all(places, b.count, b.type); });
  }

  Loopback& all_;
  int rank_;
  SumQueue queue_;
};

bool is_distributed_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const DistributedError&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void run_in_threads(const LoopbackOptions& options,
                    const std::function<void(Communicator& ranks)>& body) {
  Loopback all(options);
  std::vector<std::exception_ptr> failures(static_cast<size_t>(options.ranks));
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(options.ranks));
  for (int rank = 0; rank < options.ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        LoopbackRank me(all, rank);
        body(me);
      } catch (...) {
        failures[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::exception_ptr first;
  for (const std::exception_ptr& failure : failures) {
    if (failure == nullptr) continue;
    if (first == nullptr) first = failure;
    if (!is_distributed_error(failure)) std::rethrow_exception(failure);
  }
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace rela::test
