// Graphs: streams that record their work instead of queueing it, and replay as one piece of work.

#include <algorithm>
#include <utility>

#include "kernels/simt/emulator/streams.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

thread_local int recordings = 0;    // in progress on this thread
thread_local bool is_void = false;  // something was called that cannot be captured

bool depends_on(const WorkPtr& work, const WorkPtr& ancestor) {
  std::vector<WorkPtr> open{work};
  std::set<const Work*> seen;
  while (!open.empty()) {
    const WorkPtr next = open.back();
    open.pop_back();
    if (next == ancestor) return true;
    for (const WorkPtr& w : next->after) {
      if (seen.insert(w.get()).second) open.push_back(w);
    }
  }
  return false;
}

/// Runs the nodes in an order allowed by their dependencies, chosen as for streams.
void replay(const Recording& graph, uint64_t step) {
  std::set<const Work*> done;
  std::vector<const Work*> open;
  for (const WorkPtr& node : graph.nodes) open.push_back(node.get());
  while (!open.empty()) {
    std::vector<const Work*> ready;
    for (const Work* node : open) {
      if (std::all_of(node->after.begin(), node->after.end(),
                      [&](const WorkPtr& w) { return done.contains(w.get()); })) {
        ready.push_back(node);
      }
    }
    const Work* next = ready[choose(ready, step++)];
    if (next->run) next->run();
    done.insert(next);
    open.erase(std::find(open.begin(), open.end(), next));
  }
}

}  // namespace

void Streams::refuse_while_recording(const char* call) const {
  if (recordings == 0) return;
  is_void = true;
  throw Error(std::string(call) +
              ": not while a graph is recorded (cudaErrorStreamCaptureUnsupported)");
}

bool Streams::records(Stream stream) {
  const std::lock_guard lock(mutex_);
  return state(stream).recording != nullptr;
}

void Streams::begin_recording(Stream stream) {
  const std::lock_guard lock(mutex_);
  if (stream.handle == nullptr) throw Error("graph_begin_capture: not of the default stream");
  StreamState& origin = state(stream);
  if (origin.recording != nullptr) throw Error("graph_begin_capture: the stream records already");
  origin.recording = std::make_shared<Recording>();
  origin.recording->origin = stream;
  origin.recording->streams.insert(stream.handle);
  origin.last = nullptr;
  ++recordings;
}

RecordingPtr Streams::end_recording(Stream stream) {
  const std::lock_guard lock(mutex_);
  StreamState& origin = state(stream);
  RecordingPtr graph = origin.recording;
  if (graph == nullptr || graph->origin.handle != stream.handle) {
    throw Error("graph_end_capture: no recording began in this stream");
  }
  const bool invalidated = std::exchange(is_void, false);
  --recordings;
  const WorkPtr end = origin.last;
  bool joined = true;
  for (void* handle : graph->streams) {
    StreamState& member = state({handle});
    joined = joined && (member.last == nullptr || depends_on(end, member.last));
    member.recording = nullptr;
    member.last = member.queue.empty() ? nullptr : member.queue.back();
  }
  if (invalidated) {
    throw Error(
        "graph_end_capture: the recording is void, for something was tried meanwhile that cannot "
        "be recorded (cudaErrorStreamCaptureInvalidated)");
  }
  if (!joined) {
    throw Error("graph_end_capture: a stream took part and the recording does not wait for it");
  }
  return graph;
}

void Streams::launch(const RecordingPtr& graph, Stream stream) {
  const std::lock_guard lock(mutex_);
  queue(stream, [graph, step = next_number_] { replay(*graph, step); }, {});
}

}  // namespace rela::simt
