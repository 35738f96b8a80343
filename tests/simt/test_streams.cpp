#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

using simt::CopyKind;
using simt::Event;
using simt::Graph;

__global__ void set_kernel(int* p, int value) { *p = value; }
__global__ void add_kernel(int* p, int value) { *p += value; }
__global__ void copy_kernel(const int* from, int* to) { *to = *from; }

/// RAII owners, so that a failed assertion does not leak a stream.
struct ScopedStream {
  ScopedStream() : stream(simt::stream_create()) {}
  ~ScopedStream() { simt::stream_destroy(stream); }
  ScopedStream(const ScopedStream&) = delete;
  ScopedStream& operator=(const ScopedStream&) = delete;
  Stream stream;
};
struct ScopedEvent {
  ScopedEvent() : event(simt::event_create()) {}
  ~ScopedEvent() { simt::event_destroy(event); }
  ScopedEvent(const ScopedEvent&) = delete;
  ScopedEvent& operator=(const ScopedEvent&) = delete;
  Event event;
};

/// In how many of ten schedules the body finds a wrong result.
template <class Wrong>
int schedules_that_show(Wrong&& wrong) {
  const simt::Options before = simt::options();
  int count = 0;
  for (int i = 0; i < 10; ++i) {
    simt::options().order = i == 0   ? simt::Order::kForward
                            : i == 1 ? simt::Order::kReverse
                                     : simt::Order::kRandom;
    simt::options().seed = static_cast<uint64_t>(i);
    count += wrong() ? 1 : 0;
  }
  simt::options() = before;
  return count;
}

TEST(Streams, WorkInOneStreamRunsInOrder) {
  for_each_schedule([] {
    DeviceArray<int> x(std::vector<int>{0});
    ScopedStream s;
    for (int i = 1; i <= 5; ++i) {
      simt::launch(add_kernel, {1, 1}, s.stream, x.data(), i);
      simt::launch(copy_kernel, {1, 1}, s.stream, x.data(), x.data());
    }
    simt::launch(set_kernel, {1, 1}, s.stream, x.data(), 7);
    simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 1);
    simt::stream_synchronize(s.stream);
    EXPECT_EQ(x.download()[0], 8);
  });
}

TEST(Streams, NothingRunsBeforeSomebodySynchronises) {
  DeviceArray<int> x(std::vector<int>{3});
  ScopedStream s;
  int host = 0;
  simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 1);
  simt::memcpy_async(&host, x.data(), sizeof(int), CopyKind::kDeviceToHost, s.stream);
  EXPECT_EQ(host, 0);  // a read before synchronising is detected
  simt::stream_synchronize(s.stream);
  EXPECT_EQ(host, 4);
}

TEST(Streams, AHostBufferChangedBeforeSynchronisingShows) {
  DeviceArray<int> x(size_t{1});
  ScopedStream s;
  int host = 1;
  simt::memcpy_async(x.data(), &host, sizeof(int), CopyKind::kHostToDevice, s.stream);
  host = 2;
  simt::stream_synchronize(s.stream);
  EXPECT_EQ(x.download()[0], 2);
}

/// Producer in one stream, consumer in another.
int consume(bool wait) {
  DeviceArray<int> x(std::vector<int>{0, 0});
  ScopedStream producer;
  ScopedStream consumer;
  ScopedEvent ready;
  simt::launch(set_kernel, {1, 1}, producer.stream, x.data(), 42);
  simt::event_record(ready.event, producer.stream);
  if (wait) simt::stream_wait(consumer.stream, ready.event);
  simt::launch(copy_kernel, {1, 1}, consumer.stream, x.data(), x.data() + 1);
  simt::stream_synchronize(consumer.stream);
  return x.download()[1];
}

TEST(Streams, AnEventOrdersTwoStreams) {
  for_each_schedule([] { EXPECT_EQ(consume(true), 42); });
}

TEST(Streams, AMissingEventWaitShowsUnderSomeSchedule) {
  EXPECT_GT(schedules_that_show([] { return consume(false) != 42; }), 0);
  EXPECT_EQ(schedules_that_show([] { return consume(true) != 42; }), 0);
}

TEST(Streams, TheDefaultStreamWaitsForAllAndAllForIt) {
  for_each_schedule([] {
    DeviceArray<int> x(std::vector<int>{0, 0});
    ScopedStream a;
    ScopedStream b;
    simt::launch(set_kernel, {1, 1}, a.stream, x.data(), 5);
    simt::launch(add_kernel, {1, 1}, Stream{}, x.data(), 1);
    simt::launch(copy_kernel, {1, 1}, b.stream, x.data(), x.data() + 1);
    simt::stream_synchronize(b.stream);
    EXPECT_EQ(x.download(), (std::vector<int>{6, 6}));
  });
}

TEST(Streams, HostTasksAndFillsRunInStreamOrder) {
  for_each_schedule([] {
    DeviceArray<int> x(size_t{1});
    ScopedStream s;
    std::string order;
    simt::host_task_async(s.stream, [&] { order += "a"; });
    simt::memset_async(x.data(), 0, sizeof(int), s.stream);
    simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 9);
    simt::host_task_async(s.stream, [&] { order += "b"; });
    EXPECT_EQ(order, "");
    simt::stream_synchronize(s.stream);
    EXPECT_EQ(order, "ab");
    EXPECT_EQ(x.download()[0], 9);
  });
}

TEST(Streams, AHostTaskMayNotUseTheDeviceInterface) {
  EXPECT_THAT(error_of([] { simt::host_task_async(Stream{}, [] { simt::device_synchronize(); }); }),
              HasSubstr("host task called the device interface"));
}

TEST(Streams, AnotherExceptionOfAHostTaskArrivesAsItIs) {
  simt::host_task_async(Stream{}, [] { throw std::out_of_range("from the task"); });
  EXPECT_THROW(simt::device_synchronize(), std::out_of_range);
  simt::device_synchronize();  // once
}

TEST(Streams, AnErrorDropsWhatWasQueuedAndShowsOnce) {
  DeviceArray<int> x(std::vector<int>{1});
  ScopedStream s;
  simt::host_task_async(s.stream, [] { throw simt::Error("broken"); });
  simt::launch(set_kernel, {1, 1}, s.stream, x.data(), 2);
  EXPECT_THAT(error_of([&] { simt::stream_synchronize(s.stream); }), HasSubstr("broken"));
  simt::stream_synchronize(s.stream);
  EXPECT_EQ(x.download()[0], 1);
}

TEST(Streams, QueriesMakeProgressUntilDone) {
  for_each_schedule([] {
    DeviceArray<int> x(std::vector<int>{0});
    ScopedStream s;
    ScopedEvent e;
    EXPECT_TRUE(simt::event_query(e.event));
    for (int i = 0; i < 3; ++i) simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 1);
    simt::event_record(e.event, s.stream);
    EXPECT_FALSE(simt::stream_query(s.stream));
    int polls = 1;
    while (!simt::stream_query(s.stream)) ++polls;
    EXPECT_LE(polls, 4);
    EXPECT_TRUE(simt::event_query(e.event));
    EXPECT_EQ(x.download()[0], 3);
  });
}

TEST(Streams, EventsMeasureTimeOnlyOnceBothHappened) {
  ScopedStream s;
  ScopedEvent start;
  ScopedEvent end;
  simt::event_record(start.event, s.stream);
  simt::event_record(end.event, s.stream);
  EXPECT_THAT(error_of([&] { simt::event_elapsed_ms(start.event, end.event); }),
              HasSubstr("has not happened"));
  simt::event_synchronize(end.event);
  EXPECT_GE(simt::event_elapsed_ms(start.event, end.event), 0.0f);
}

TEST(Streams, AFullQueueRunsTheOldestWork) {
  DeviceArray<int> x(std::vector<int>{0});
  ScopedStream s;
  int ran = 0;
  for (int i = 0; i < 5000; ++i) simt::host_task_async(s.stream, [&] { ++ran; });
  EXPECT_GT(ran, 0);
  EXPECT_LT(ran, 5000);
  simt::stream_synchronize(s.stream);
  EXPECT_EQ(ran, 5000);
}

TEST(Streams, CopiesAndFillsStayInsideTheirAllocation) {
  DeviceArray<int> x(size_t{4});
  int host[8] = {};
  EXPECT_THAT(
      error_of([&] { simt::memcpy_async(x.data(), host, 20, CopyKind::kHostToDevice, Stream{}); }),
      HasSubstr("memcpy_async to: 20 bytes at offset 0 of a 16-byte device allocation"));
  EXPECT_THAT(
      error_of([&] { simt::memcpy_async(host + 4, host, 4, CopyKind::kDeviceToHost, Stream{}); }),
      HasSubstr("not device memory"));
  EXPECT_THAT(error_of([&] { simt::memset_async(x.data() + 3, 0, 8, Stream{}); }),
              HasSubstr("memset_async"));
}

TEST(Streams, AStreamThatIsNotOneIsRefused) {
  ScopedStream live;
  const Stream dead = simt::stream_create();
  simt::stream_destroy(dead);
  EXPECT_THAT(error_of([&] { simt::stream_synchronize(dead); }), HasSubstr("not a stream"));
}

// ---- graphs ----

TEST(Graphs, RecordWithoutRunningAndReplay) {
  for_each_schedule([] {
    DeviceArray<int> x(std::vector<int>{0});
    ScopedStream s;
    simt::graph_begin_capture(s.stream);
    simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 2);
    simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 3);
    const Graph graph = simt::graph_end_capture(s.stream);
    EXPECT_EQ(x.download()[0], 0);
    for (int i = 0; i < 3; ++i) simt::graph_launch(graph, s.stream);
    simt::stream_synchronize(s.stream);
    EXPECT_EQ(x.download()[0], 15);
    simt::graph_destroy(graph);
  });
}

/// A second stream joins the capture and doubles what the first one set.
int fork_and_join(bool wait_in_fork) {
  DeviceArray<int> x(std::vector<int>{0});
  ScopedStream main;
  ScopedStream side;
  ScopedEvent fork;
  ScopedEvent set;
  ScopedEvent join;
  simt::graph_begin_capture(main.stream);
  simt::event_record(fork.event, main.stream);
  simt::stream_wait(side.stream, fork.event);
  simt::launch(set_kernel, {1, 1}, main.stream, x.data(), 20);
  simt::event_record(set.event, main.stream);
  if (wait_in_fork) simt::stream_wait(side.stream, set.event);
  simt::launch(add_kernel, {1, 1}, side.stream, x.data(), 1);
  simt::event_record(join.event, side.stream);
  simt::stream_wait(main.stream, join.event);
  const Graph graph = simt::graph_end_capture(main.stream);
  simt::graph_launch(graph, main.stream);
  simt::stream_synchronize(main.stream);
  simt::graph_destroy(graph);
  return x.download()[0];
}

TEST(Graphs, StreamsJoinThroughEvents) {
  for_each_schedule([] { EXPECT_EQ(fork_and_join(true), 21); });
}

TEST(Graphs, AMissingWaitInsideAGraphShowsUnderSomeSchedule) {
  EXPECT_GT(schedules_that_show([] { return fork_and_join(false) != 21; }), 0);
  EXPECT_EQ(schedules_that_show([] { return fork_and_join(true) != 21; }), 0);
}

TEST(Graphs, AStreamLeftUnjoinedIsAnError) {
  DeviceArray<int> x(std::vector<int>{0});
  ScopedStream main;
  ScopedStream side;
  ScopedEvent fork;
  simt::graph_begin_capture(main.stream);
  simt::event_record(fork.event, main.stream);
  simt::stream_wait(side.stream, fork.event);
  simt::launch(add_kernel, {1, 1}, side.stream, x.data(), 1);
  EXPECT_THAT(error_of([&] { simt::graph_end_capture(main.stream); }),
              HasSubstr("does not wait for it"));
  simt::stream_synchronize(side.stream);
  EXPECT_EQ(x.download()[0], 0);
}

TEST(Graphs, NothingMayWaitOrAllocateWhileRecording) {
  DeviceArray<int> x(std::vector<int>{0});
  ScopedStream s;
  simt::graph_begin_capture(s.stream);
  const std::string synchronise = error_of([&] { simt::stream_synchronize(s.stream); });
  const std::string allocate = error_of([] { simt::device_malloc(4); });
  const std::string by_default = error_of([&] {
    simt::launch(add_kernel, {1, 1}, Stream{}, x.data(), 1);
  });
  int ordinary = 0;
  const std::string pageable = error_of([&] {
    simt::memcpy_async(&ordinary, x.data(), sizeof(int), CopyKind::kDeviceToHost, s.stream);
  });
  EXPECT_THAT(error_of([&] { simt::graph_end_capture(s.stream); }),
              HasSubstr("cudaErrorStreamCaptureInvalidated"));
  simt::launch(add_kernel, {1, 1}, Stream{}, x.data(), 1);
  EXPECT_EQ(x.download()[0], 1);  // rejected work has left no trace
  for (const std::string& error : {synchronise, allocate, by_default, pageable}) {
    EXPECT_THAT(error, HasSubstr("not while a graph is recorded"));
    EXPECT_THAT(error, HasSubstr("cudaErrorStreamCaptureUnsupported"));
  }
}

TEST(Graphs, OneBadCallVoidsItsOwnRecordingAlone) {
  DeviceArray<int> x(std::vector<int>{0});
  ScopedStream s;
  ScopedEvent outside;
  ScopedStream other;
  simt::event_record(outside.event, other.stream);
  simt::graph_begin_capture(s.stream);
  EXPECT_THAT(error_of([&] { simt::stream_wait(s.stream, outside.event); }),
              HasSubstr("cudaErrorStreamCaptureUnsupported"));
  EXPECT_THAT(error_of([&] { simt::graph_end_capture(s.stream); }), HasSubstr("void"));
  simt::graph_begin_capture(s.stream);
  simt::launch(add_kernel, {1, 1}, s.stream, x.data(), 2);
  const Graph graph = simt::graph_end_capture(s.stream);
  EXPECT_EQ(simt::graph_node_count(graph), 1u);
  simt::graph_launch(graph, s.stream);
  simt::graph_destroy(graph);
  EXPECT_EQ(x.download()[0], 2);
}

TEST(Graphs, ACopyOfPinnedMemoryReadsItAtEveryReplay) {
  DeviceArray<int> x(std::vector<int>{0});
  ScopedStream s;
  int* pinned = static_cast<int*>(simt::pinned_malloc(2 * sizeof(int)));
  simt::graph_begin_capture(s.stream);
  simt::memcpy_async(x.data(), pinned + 1, sizeof(int), CopyKind::kHostToDevice, s.stream);
  const Graph graph = simt::graph_end_capture(s.stream);
  for (int i = 3; i < 6; ++i) {
    pinned[1] = i;
    simt::graph_launch(graph, s.stream);
    EXPECT_EQ(x.download()[0], i);
  }
  simt::graph_destroy(graph);
  simt::pinned_free(pinned);
}

}  // namespace
}  // namespace rela::test
