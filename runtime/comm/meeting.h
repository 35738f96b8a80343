#pragma once
// Where threads that compute together come together.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace rela {

/// Every thread makes the same calls in the same order; each call waits for all.
///
/// A thread that makes another call than the others, that leaves before them, or that lets them
/// wait too long, is a DistributedError for every thread that meets it, which names both.
class Meeting {
 public:
  using Places = std::vector<void*>;  // what each thread brought

  /// `first`: the number of the first thread in messages, which call it a shard.
  Meeting(int threads, int first, double timeout_s);

  /// The last thread to come does the work for all. `call`: what this one does, in words.
  void meet(int thread, const std::string& call, void* place,
            const std::function<void(const Places&)>& work);
  /// This thread makes no more calls. `why`: its failure; empty: it is done.
  void leave(int thread, const std::string& why);

 private:
  struct Member {
    std::string call{};  // empty: it computes
    bool has_left = false;
  };
  std::string describe(size_t thread) const;
  void check();
  void begin_round();
  void note(const std::string& trouble);
  [[noreturn]] void fail(const std::string& trouble);

  std::chrono::duration<double> timeout_;
  int first_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t round_ = 0;
  size_t here_ = 0;  // threads that have come in this round
  Places places_;
  std::vector<Member> members_;
  std::string trouble_;  // what ended the meeting
};

}  // namespace rela
