#pragma once
// The emulator's streams: queues of work that runs when the host synchronises, interleaved
// according to options(): forward runs what was queued first; reverse runs the most recently
// created streams as far as they can go; random favours streams by seed, for a while each. Only the
// order imposed by streams and events is guaranteed.

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

/// A piece of queued work, or a node of a recorded graph, where `after` are nodes of the same
/// graph.
struct Work {
  uint64_t number = 0;
  uint64_t stream = 0;        // number of its stream; 0 is the default one
  std::function<void()> run;  // empty: only a point in the order
  std::vector<std::shared_ptr<Work>> after;
  bool done = false;
};
using WorkPtr = std::shared_ptr<Work>;

/// A graph during its capture and afterwards.
struct Recording {
  Stream origin;
  std::vector<WorkPtr> nodes;
  std::set<void*> streams;  // the ones that joined through events
};
using RecordingPtr = std::shared_ptr<Recording>;

/// Which of the runnable pieces of work is next; `step` is how many ran before.
size_t choose(const std::vector<const Work*>& ready, uint64_t step);

struct StreamState {
  uint64_t number = 0;
  std::deque<WorkPtr> queue;
  WorkPtr last;            // the newest work, done or not
  RecordingPtr recording;  // work goes here instead of into the queue
};

struct EventState {
  WorkPtr work;            // the last record
  RecordingPtr recording;  // the capture that it is part of
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

class Streams {
 public:
  static Streams& instance();

  Stream create();
  void destroy(Stream stream);
  /// Queues (or records) work after everything in the stream; never runs it.
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
  /// Throws if the calling thread is capturing a graph: `call` would wait for the device. As on a
  /// GPU, the capture is then invalid.
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
  uint64_t steps_ = 0;  // pieces of work that have run
  std::exception_ptr error_;
};

}  // namespace rela::simt
