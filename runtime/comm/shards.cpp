#include "runtime/comm/shards.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <optional>
#include <thread>

#include "kernels/cpu/parallel.h"
#include "kernels/types.h"
#include "runtime/comm/meeting.h"
#include "runtime/comm/mpi_communicator.h"
#include "runtime/comm/sum_queue.h"
#include "runtime/comm/world.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/thread.h"

namespace rela {
namespace {

/// Elements that are summed at once: the memory of the terms stays small.
constexpr int64_t kPiece = 1 << 18;

/// What elements are added as.
template <class T>
using SumType = std::conditional_t<std::is_same_v<T, Bf16> || std::is_same_v<T, F16>, float, T>;

/// terms: [rows, count]; adds rows 2i and 2i + 1, then these sums alike, into row 0.
template <class S>
void add_pairwise(std::vector<S>& terms, size_t rows, size_t count) {
  for (size_t stride = 1; stride < rows; stride *= 2) {
    for (size_t row = 0; row + stride < rows; row += 2 * stride) {
      S* sum = &terms[row * count];
      const S* other = &terms[(row + stride) * count];
      for (size_t i = 0; i < count; ++i) sum[i] += other[i];
    }
  }
}

/// The shards' elements, and then the processes' sums of them. `processes`: null if there is one.
template <class T>
class Sum {
 public:
  using S = SumType<T>;
  Sum(const Meeting::Places& places, MpiGroup* processes)
      : places_(places), processes_(processes) {}

  void run(int64_t count) {
    for (int64_t first = 0; first < count; first += kPiece)
      add(first, std::min(kPiece, count - first));
  }

 private:
  void add(int64_t first, int64_t length) {
    const auto count = static_cast<size_t>(length);
    terms_.resize(places_.size() * count);
    for (size_t shard = 0; shard < places_.size(); ++shard) {
      const T* from = static_cast<const T*>(places_[shard]) + first;
      S* to = &terms_[shard * count];
      for (size_t i = 0; i < count; ++i) to[i] = load(from[i]);
    }
    add_pairwise(terms_, places_.size(), count);
    if (processes_ != nullptr) add_processes(count);
    for (void* place : places_) {
      T* to = static_cast<T*>(place) + first;
      for (size_t i = 0; i < count; ++i) to[i] = store(terms_[i]);
    }
  }
  void add_processes(size_t count) {
    const auto size = static_cast<size_t>(processes_->size());
    std::vector<S> all(size * count);
    processes_->all_gather(terms_.data(), all.data(), static_cast<int64_t>(count * sizeof(S)));
    add_pairwise(all, size, count);
    std::copy_n(all.begin(), count, terms_.begin());
  }
  static S load(T value) {
    if constexpr (std::is_same_v<S, T>) {
      return value;
    } else {
      return to_float(value);
    }
  }
  static T store(S value) {
    if constexpr (std::is_same_v<S, T>) {
      return value;
    } else {
      return store_as<T>(value);
    }
  }

  const Meeting::Places& places_;
  MpiGroup* processes_;
  std::vector<S> terms_;
};

void sum_over(const Meeting::Places& places, MpiGroup* processes, int64_t count, WireType type) {
  switch (type) {
    case WireType::kF32:
      return Sum<float>(places, processes).run(count);
    case WireType::kF64:
      return Sum<double>(places, processes).run(count);
    case WireType::kBf16:
      return Sum<Bf16>(places, processes).run(count);
    case WireType::kF16:
      return Sum<F16>(places, processes).run(count);
    case WireType::kI64:
      return Sum<int64_t>(places, processes).run(count);
    case WireType::kBytes:
      break;
  }
  throw InternalError("shards: bytes cannot be summed");
}

/// Where the shards of this process meet, and, through it, those of the others.
struct Place {
  Place(const ShardOptions& options, int first) : meeting(options.count, first, options.timeout_s) {
    if (!world().is_alone()) processes.emplace(options.timeout_s);
  }
  MpiGroup* group() { return processes ? &*processes : nullptr; }

  Meeting meeting;
  std::optional<MpiGroup> processes;
};

/// What all shards of a process share.
struct Shards {
  explicit Shards(const ShardOptions& given)
      : options(given),
        first(world().rank * given.count),
        main(given, first),
        beside(given, first) {}
  ShardOptions options;
  int first;  // of this process, among all
  Place main;
  Place beside;  // of the queues' threads
};

class Shard : public Communicator {
 public:
  Shard(Shards& all, int index)
      : all_(all),
        index_(index),
        queue_([this](const WireBuffer& buffer) { sum_in(all_.beside, buffer); }) {}
  ~Shard() override { leave(""); }

  /// Tells the others why there will be no more of this one.
  void leave(const std::string& why) {
    if (has_left_) return;
    has_left_ = true;
    all_.main.meeting.leave(index_, why);
    all_.beside.meeting.leave(index_, why);
  }

  int rank() const override { return all_.first + index_; }
  int size() const override { return all_.options.count * world().size; }
  bool is_first_of_process() const override { return index_ == 0; }

  void sum(const WireBuffer& b) override {
    if (all_.options.device == Device::kCpu) return sum_in(all_.main, b);
    const size_t bytes = static_cast<size_t>(b.count) * wire_bytes(b.type);
    on_host_.resize(bytes);
    cuda_copy(on_host_.data(), b.data, bytes, CopyKind::kDeviceToHost);
    sum_in(all_.main, {on_host_.data(), b.count, b.type});
    cuda_copy(b.data, on_host_.data(), bytes, CopyKind::kHostToDevice);
  }
  void begin_sum(const WireBuffer& buffer) override {
    if (all_.options.device == Device::kCpu) return queue_.push(buffer);
    sum(buffer);
  }
  void finish_sums() override { queue_.wait(); }

  std::vector<std::string> gather(std::string_view message) override {
    Exchange mine{message, {}};
    all_.main.meeting.meet(index_, "gather", &mine, [&](const Meeting::Places& places) {
      const std::vector<std::string> messages = gather_all(places);
      for (void* place : places) static_cast<Exchange*>(place)->all = messages;
    });
    return mine.all;
  }
  void sum_on_host(std::span<double> numbers) override {
    sum_in(all_.main, {numbers.data(), std::ssize(numbers), WireType::kF64});
  }
  void barrier() override {
    all_.main.meeting.meet(index_, "barrier", nullptr, [&](const Meeting::Places&) {
      if (MpiGroup* processes = all_.main.group()) with_other_ranks([&] { processes->barrier(); });
    });
  }

 private:
  struct Exchange {
    std::string_view mine;
    std::vector<std::string> all;
  };

  void sum_in(Place& place, const WireBuffer& b) const {
    place.meeting.meet(
        index_, cat("sum of ", b.count, " ", wire_name(b.type)), b.data,
        [&](const Meeting::Places& places) {
          with_other_ranks([&] { sum_over(places, place.group(), b.count, b.type); });
        });
  }

  /// By rank: process by process.
  std::vector<std::string> gather_all(const Meeting::Places& places) const {
    std::vector<std::string> all(static_cast<size_t>(size()));
    for (size_t i = 0; i < places.size(); ++i) {
      const std::string_view mine = static_cast<Exchange*>(places[i])->mine;
      std::vector<std::string> theirs{std::string(mine)};
      if (MpiGroup* processes = all_.main.group())
        with_other_ranks([&] { theirs = gather_messages(*processes, mine); });
      for (size_t process = 0; process < theirs.size(); ++process)
        all[process * places.size() + i] = std::move(theirs[process]);
    }
    return all;
  }

  Shards& all_;
  int index_;
  bool has_left_ = false;
  std::vector<std::byte> on_host_;
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

void rethrow_first(const std::vector<std::exception_ptr>& failures) {
  std::exception_ptr first;
  for (const std::exception_ptr& failure : failures) {
    if (failure == nullptr) continue;
    if (first == nullptr) first = failure;
    if (!is_distributed_error(failure)) std::rethrow_exception(failure);
  }
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace

void run_in_shards(const ShardOptions& options,
                   const std::function<void(Communicator& shards)>& body) {
  std::optional<Shards> all;
  with_other_ranks([&] { all.emplace(options); });
  std::vector<std::exception_ptr> failures(static_cast<size_t>(options.count));
  const auto run = [&](int index) {
    std::optional<LogMuted> muted;
    if (index > 0) muted.emplace();
    Shard me(*all, index);
    try {
      body(me);
    } catch (const std::exception& e) {
      failures[static_cast<size_t>(index)] = std::current_exception();
      me.leave(message_of(e));
    }
  };
  std::vector<std::thread> threads;
  const auto start = [&](int index) {
    const StopSignalsBlocked inherited;  // the main thread takes them
    try {
      threads.push_back(start_thread([&run, index] { run(index); }));
    } catch (const Error& e) {
      failures[static_cast<size_t>(index)] = std::current_exception();
      Shard(*all, index).leave(e.what());
    }
  };
  for (int index = 0; index < options.count; ++index) start(index);
  for (std::thread& thread : threads) thread.join();
  rethrow_first(failures);
}

}  // namespace rela
