#include "runtime/comm/meeting.h"

#include "runtime/error.h"

namespace rela {

Meeting::Meeting(int threads, int first, double timeout_s)
    : timeout_(timeout_s),
      first_(first),
      places_(static_cast<size_t>(threads)),
      members_(static_cast<size_t>(threads)) {}

void Meeting::meet(int thread, const std::string& call, void* place,
                   const std::function<void(const Places&)>& work) {
  std::unique_lock lock(mutex_);
  const auto me = static_cast<size_t>(thread);
  members_[me].call = call;
  places_[me] = place;
  const uint64_t now = round_;
  check();
  if (++here_ == places_.size()) {
    try {
      work(places_);
    } catch (const Error& e) {  // other processes do not answer
      fail(e.what());
    }
    begin_round();
  } else if (!changed_.wait_for(lock, timeout_,
                                [&] { return round_ != now || !trouble_.empty(); })) {
    fail(cat(describe(me), ", and not all others came in ", timeout_.count(), " s"));
  }
  if (round_ == now) throw DistributedError(trouble_);
}

void Meeting::leave(int thread, const std::string& why) {
  const std::lock_guard lock(mutex_);
  const auto me = static_cast<size_t>(thread);
  members_[me] = {.call = why.empty() ? "has left" : "has failed: " + why, .has_left = true};
  for (size_t other = 0; other < members_.size(); ++other) {
    if (members_[other].call.empty() || members_[other].has_left) continue;
    note(cat(describe(other), ", and ", describe(me)));
    return;
  }
}

std::string Meeting::describe(size_t thread) const {
  const Member& member = members_[thread];
  return cat("shard ", static_cast<size_t>(first_) + thread, member.has_left ? " " : " calls ",
             member.call);
}

/// All that are here make the same call.
void Meeting::check() {
  if (!trouble_.empty()) throw DistributedError(trouble_);
  for (size_t a = 0; a < members_.size(); ++a) {
    for (size_t b = a + 1; b < members_.size(); ++b) {
      const std::string& one = members_[a].call;
      const std::string& other = members_[b].call;
      if (one.empty() || other.empty() || one == other) continue;
      fail(cat(describe(a), ", and ", describe(b)));
    }
  }
}

void Meeting::begin_round() {
  here_ = 0;
  ++round_;
  for (Member& member : members_) {
    if (!member.has_left) member.call.clear();
  }
  changed_.notify_all();
}

void Meeting::note(const std::string& trouble) {
  if (trouble_.empty()) trouble_ = trouble;
  changed_.notify_all();
}

void Meeting::fail(const std::string& trouble) {
  note(trouble);
  throw DistributedError(trouble_);
}

}  // namespace rela
