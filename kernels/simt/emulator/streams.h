#pragma once
// The emulator's streams: queues of work that runs when somebody synchronises, interleaved by
// options(): forward runs what was queued first; reverse runs the streams that were created last as
// far as they can go, and random the streams that the seed prefers, for a while. Only what streams
// and events order is ordered.

#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "kernels/simt/device.h"

namespace rela::simt {

/// A piece of queued work; or of a recorded graph, where `after` are nodes of the same graph.
struct Work {
  uint64_t number = 0;
  uint64_t stream = 0;        // number of its stream; 0 is the default one
  std::function<void()> run;  // empty: only a point in the order
  std::vector<std::shared_ptr<Work>> after;
  bool done = false;
};
using WorkPtr = std::shared_ptr<Work>;

/// A graph while it is recorded, and after.
struct Recording {
  Stream origin;
  std::vector<WorkPtr> nodes;
  std::set<void*> streams;  // that joined through events
};
using RecordingPtr = std::shared_ptr<Recording>;

/// Which of the works that could run is next; `step` is how many ran before.
size_t choose(const std::vector<const Work*>& ready, uint64_t step);

struct StreamState {
  uint64_t number = 0;
  std::deque<WorkPtr> queue;
  WorkPtr last;            // the newest work, done or not
  RecordingPtr recording;  // work goes here instead of into the queue
};

struct EventState {
  WorkPtr work;            // the last record
  RecordingPtr recording;  // that it is part of
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

class Streams {
 public:
  static Streams& instance();

  Stream create();
  void destroy(Stream stream);
  /// Queues (or records) work after all that the stream has; never runs it.
  WorkPtr add(Stream stream, std::function<void()> run);
  void record(EventState& event, Stream stream);
  void wait(Stream stream, const EventState& event);
  void synchronize(Stream stream);
  void synchronize(const EventState& event);
  void synchronize_all();
  /// Runs one piece of work of any stream; true when `stream` has none left.
  bool query(Stream stream);
  bool query(const EventState& event);

  void begin_recording(Stream stream);
  RecordingPtr end_recording(Stream stream);
  void launch(const RecordingPtr& graph, Stream stream);
  /// Throws when the calling thread records a graph: `call` would wait for the device.
  /// As on a GPU, the recording is void from then on.
  void refuse_while_recording(const char* call) const;
  bool records(Stream stream);

 private:
  StreamState& state(Stream stream);
  WorkPtr queue(Stream stream, std::function<void()> run, std::vector<WorkPtr> after);
  void run_until(const std::function<bool()>& finished);
  bool query(const WorkPtr& work);
  bool run_one();
  void run(Work& work);
  void rethrow();

  std::recursive_mutex mutex_;
  std::set<StreamState*> streams_;  // created ones
  StreamState default_;
  uint64_t next_number_ = 1;
  size_t queued_ = 0;
  uint64_t next_stream_ = 1;
  uint64_t steps_ = 0;  // works that ran
  std::exception_ptr error_;
};

}  // namespace rela::simt
