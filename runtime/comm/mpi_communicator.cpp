#include "runtime/comm/mpi_communicator.h"

#include <algorithm>

#include "kernels/simt/error.h"
#include "runtime/comm/sum_queue.h"
#include "runtime/comm/world.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// The CPU's work is done when a call returns: only begun sums need a thread.
class MpiCommunicator : public MpiMessages {
 public:
  explicit MpiCommunicator(double timeout_s)
      : MpiMessages(timeout_s),
        beside_(timeout_s),
        queue_([this](const WireBuffer& b) { beside_.sum(b.data, b.count, b.type); }) {}

  void sum(const WireBuffer& b) override {
    with_other_ranks([&] { group().sum(b.data, b.count, b.type); });
  }
  void begin_sum(const WireBuffer& buffer) override { queue_.push(buffer); }
  void finish_sums() override {
    with_other_ranks([&] { queue_.wait(); });
  }

 private:
  MpiGroup beside_;  // of the queue's thread
  SumQueue queue_;
};

}  // namespace

void with_other_ranks(const std::function<void()>& call) {
  try {
    call();
  } catch (const simt::Error& e) {
    const World& me = world();
    throw DistributedError(cat("rank ", me.rank, " of ", me.size, " on ", me.host, ": ", e.what(),
                               "; checkpoints written before are whole, --resume auto goes on with "
                               "the newest"));
  }
}

MpiMessages::MpiMessages(double timeout_s) : group_(timeout_s) {}

std::vector<std::string> gather_messages(MpiGroup& group, std::string_view message) {
  std::vector<std::string> all(static_cast<size_t>(group.size()));
  auto length = static_cast<int64_t>(message.size());
  std::vector<int64_t> lengths(all.size());
  group.all_gather(&length, lengths.data(), sizeof(length));
  const auto longest = static_cast<size_t>(*std::max_element(lengths.begin(), lengths.end()));
  std::string mine(message);
  mine.resize(longest);
  std::string joined(longest * all.size(), '\0');
  group.all_gather(mine.data(), joined.data(), static_cast<int64_t>(longest));
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = joined.substr(i * longest, static_cast<size_t>(lengths[i]));
  return all;
}

std::vector<std::string> MpiMessages::gather(std::string_view message) {
  std::vector<std::string> all;
  with_other_ranks([&] { all = gather_messages(group_, message); });
  return all;
}

void MpiMessages::sum_on_host(std::span<double> numbers) {
  with_other_ranks(
      [&] { group_.sum(numbers.data(), static_cast<int64_t>(numbers.size()), WireType::kF64); });
}

void MpiMessages::barrier() {
  with_other_ranks([&] { group_.barrier(); });
}

std::unique_ptr<Communicator> make_mpi_communicator(double timeout_s) {
  std::unique_ptr<Communicator> made;
  with_other_ranks([&] { made = std::make_unique<MpiCommunicator>(timeout_s); });
  return made;
}

}  // namespace rela
