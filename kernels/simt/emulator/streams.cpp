#include "kernels/simt/emulator/streams.h"

#include <algorithm>
#include <utility>

#include "kernels/simt/emulator/options.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

constexpr size_t kMaxQueued =
    4096;  // then the oldest runs, just as a full GPU queue blocks the host

thread_local bool runs_work = false;

bool can_run(const Work& work) {
  return std::all_of(work.after.begin(), work.after.end(),
                     [](const WorkPtr& w) { return w->done; });
}

uint64_t mixed(uint64_t x) {  // the finaliser of MurmurHash3
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
  return x ^ (x >> 33);
}

/// Highest first. Random: a ranking of the streams, redrawn every few pieces of work; that finds a
/// missing wait sooner than a coin toss at every step.
uint64_t rank(const Work& work, uint64_t step) {
  constexpr uint64_t kWorksPerRanking = 8;
  if (options().order == Order::kForward) return ~work.number;
  if (options().order == Order::kReverse) return work.stream;
  return mixed(options().seed * 0x9e3779b97f4a7c15u + mixed(step / kWorksPerRanking) + work.stream);
}

}  // namespace

size_t choose(const std::vector<const Work*>& ready, uint64_t step) {
  size_t best = 0;
  for (size_t i = 1; i < ready.size(); ++i) {
    if (rank(*ready[i], step) > rank(*ready[best], step)) best = i;
  }
  return best;
}

Streams& Streams::instance() {
  static Streams& streams = *new Streams;  // static arrays may free device memory after main()
  return streams;
}

StreamState& Streams::state(Stream stream) {
  if (runs_work) throw Error("a host task called the device interface");
  if (stream.handle == nullptr) return default_;
  auto* found = static_cast<StreamState*>(stream.handle);
  if (!streams_.contains(found)) throw Error("not a stream, or one that was destroyed");
  return *found;
}

Stream Streams::create() {
  const std::lock_guard lock(mutex_);
  auto* created = new StreamState;
  created->number = next_stream_++;
  streams_.insert(created);
  return {created};
}

void Streams::destroy(Stream stream) {
  const std::lock_guard lock(mutex_);
  if (stream.handle == nullptr) return;
  StreamState& old = state(stream);
  synchronize(stream);
  streams_.erase(&old);
  delete &old;
}

WorkPtr Streams::add(Stream stream, std::function<void()> run) {
  const std::lock_guard lock(mutex_);
  return queue(stream, std::move(run), {});
}

/// The default stream waits for all others, and they wait for it (CUDA's legacy default stream).
WorkPtr Streams::queue(Stream stream, std::function<void()> run, std::vector<WorkPtr> after) {
  StreamState& target = state(stream);
  if (&target == &default_) refuse_while_recording("work for the default stream");
  auto work = std::make_shared<Work>();
  work->number = next_number_++;
  work->stream = target.number;
  work->run = std::move(run);
  work->after = std::move(after);
  if (target.last != nullptr) work->after.push_back(target.last);
  target.last = work;
  if (target.recording != nullptr) {
    target.recording->nodes.push_back(work);
    return work;
  }
  if (&target == &default_) {
    for (const StreamState* other : streams_) {
      if (other->last != nullptr && other->recording == nullptr) {
        work->after.push_back(other->last);
      }
    }
  } else if (default_.last != nullptr) {
    work->after.push_back(default_.last);
  }
  std::erase_if(work->after, [](const WorkPtr& w) { return w->done; });
  target.queue.push_back(work);
  if (++queued_ > kMaxQueued) run_one();
  return work;
}

void Streams::record(EventState& event, Stream stream) {
  const std::lock_guard lock(mutex_);
  event.time = std::make_shared<std::chrono::steady_clock::time_point>();
  event.work = queue(stream, [time = event.time] { *time = std::chrono::steady_clock::now(); }, {});
  event.recording = state(stream).recording;
}

void Streams::wait(Stream stream, const EventState& event) {
  const std::lock_guard lock(mutex_);
  if (event.work == nullptr) return;
  StreamState& waiting = state(stream);
  if (event.recording != nullptr && waiting.recording == nullptr) {
    waiting.recording = event.recording;  // joins the capture
    waiting.recording->streams.insert(stream.handle);
    waiting.last = nullptr;
  }
  if (event.recording != waiting.recording) {
    if (waiting.recording != nullptr) refuse_while_recording("stream_wait for an event outside");
    throw Error("stream_wait: a stream that records a graph waits for an event outside of it");
  }
  queue(stream, nullptr, {event.work});
}

void Streams::synchronize(Stream stream) {
  const std::lock_guard lock(mutex_);
  refuse_while_recording("stream_synchronize");
  const WorkPtr last = state(stream).last;
  run_until([&] { return last == nullptr || last->done; });
}

void Streams::synchronize(const EventState& event) {
  const std::lock_guard lock(mutex_);
  refuse_while_recording("event_synchronize");
  run_until([&] { return event.work == nullptr || event.work->done; });
}

void Streams::synchronize_all() {
  const std::lock_guard lock(mutex_);
  refuse_while_recording("device_synchronize");
  run_until([&] { return queued_ == 0; });
}

bool Streams::query(Stream stream) {
  const std::lock_guard lock(mutex_);
  return query(state(stream).last);
}

bool Streams::query(const EventState& event) {
  const std::lock_guard lock(mutex_);
  return query(event.work);
}

bool Streams::query(const WorkPtr& work) {
  refuse_while_recording("query");
  if (work != nullptr && !work->done) run_one();
  rethrow();
  return work == nullptr || work->done;
}

void Streams::run_until(const std::function<bool()>& finished) {
  if (runs_work) throw Error("a host task called the device interface");
  while (error_ == nullptr && !finished()) {
    if (!run_one()) throw Error("streams: work waits for work that was never queued");
  }
  rethrow();
}

/// Runs one piece of work that is not blocked: there always is one, because work only waits for
/// older work.
bool Streams::run_one() {
  std::vector<StreamState*> ready;
  const auto consider = [&](StreamState* s) {
    if (!s->queue.empty() && can_run(*s->queue.front())) ready.push_back(s);
  };
  consider(&default_);
  for (StreamState* s : streams_) consider(s);
  if (ready.empty()) return false;
  std::vector<const Work*> heads;
  heads.reserve(ready.size());
  for (const StreamState* s : ready) heads.push_back(s->queue.front().get());
  const size_t choice = choose(heads, steps_++);
  const WorkPtr work = ready[choice]->queue.front();
  ready[choice]->queue.pop_front();
  --queued_;
  run(*work);
  return true;
}

/// After an error, queued work is dropped, and the next synchronisation throws.
void Streams::run(Work& work) {
  runs_work = true;
  try {
    if (work.run) work.run();
  } catch (...) {
    error_ = std::current_exception();
  }
  runs_work = false;
  work.done = true;
  work.after.clear();
  work.run = nullptr;
  if (error_ == nullptr) return;
  const auto drop = [](StreamState* s) {
    for (const WorkPtr& w : s->queue) {
      w->done = true;
      w->after.clear();
    }
    s->queue.clear();
  };
  drop(&default_);
  for (StreamState* s : streams_) drop(s);
  queued_ = 0;
}

void Streams::rethrow() {
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace rela::simt
