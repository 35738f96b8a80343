// Work that is recorded once and replayed, and the training step built on it.

#include "runtime/recorded_work.h"

#include <gmock/gmock.h>

#include "nn/optimizer.h"
#include "rela/train/step_graph.h"
#include "runtime/device_value.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

using testing::Each;
using testing::HasSubstr;

class CudaRecording : public testing::Test {
 protected:
  void SetUp() override {
    const std::string complaint = gpu_complaint(gpu_facts());
    if (!complaint.empty()) GTEST_SKIP() << complaint;
  }
};

template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

float first(const Tensor& t) { return t.to(Device::kCpu).data<float>()[0]; }

TEST_F(CudaRecording, ReplaysSeeTodaysNumbersAndCountOnTheHost) {
  Tensor x = Tensor::full({33}, 8.0f, Device::kCuda);
  const Tensor zero = Tensor::zeros({33}, Dtype::kF32, Device::kCuda);
  DeviceValue<float> keep(Device::kCuda);
  int counted = 0;
  const auto work = [&] {
    ema_update(x, zero, Scalar<float>(keep.pointer()));
    on_each_run([&] { ++counted; });
  };
  RecordedWork recorded;
  keep.set(0.5f);
  EXPECT_TRUE(recorded.warm_up(work));
  EXPECT_EQ(first(x), 4.0f);
  recorded.record(work);
  EXPECT_EQ(counted, 1);  // recording runs nothing
  EXPECT_EQ(first(x), 4.0f);
  EXPECT_EQ(recorded.nodes(), 1u);
  for (const float factor : {0.25f, 2.0f, 3.0f}) {
    const float before = first(x);
    keep.set(factor);
    recorded.replay();
    EXPECT_EQ(first(x), factor * before);
  }
  EXPECT_EQ(counted, 4);
}

TEST_F(CudaRecording, ValuesThatAreSetInARowReachTheKernelsBetweenThem) {
  DeviceValue<float> value(Device::kCuda);
  std::vector<Tensor> seen;
  const Tensor zero = Tensor::zeros({1}, Dtype::kF32, Device::kCuda);
  for (int i = 0; i < 7; ++i) {
    value.set(static_cast<float>(i));
    seen.push_back(Tensor::full({1}, 1.0f, Device::kCuda));
    ema_update(seen.back(), zero, Scalar<float>(value.pointer()));
  }
  for (int i = 0; i < 7; ++i) EXPECT_EQ(first(seen[static_cast<size_t>(i)]), i);
}

TEST_F(CudaRecording, NobodyElseIsGivenTheMemoryOfReplays) {
  Tensor out = Tensor::zeros({4000}, Dtype::kF32, Device::kCuda);
  const auto work = [&] {
    Tensor scratch = Tensor::zeros({4000}, Dtype::kF32, Device::kCuda);
    out.copy_from(scratch);
  };
  RecordedWork recorded;
  while (!recorded.warm_up(work)) {
  }
  recorded.record(work);
  std::vector<Tensor> others;
  for (int i = 0; i < 8; ++i) others.push_back(Tensor::full({4000}, 3.0f, Device::kCuda));
  recorded.replay();
  for (const Tensor& other : others) EXPECT_THAT(other.to(Device::kCpu).span<float>(), Each(3.0f));
}

TEST_F(CudaRecording, NewMemoryAndWaitingMakeItVoidAndLeaveNothingBehind) {
  const Tensor x = Tensor::full({1}, 5.0f, Device::kCuda);
  RecordedWork recorded;
  EXPECT_THAT(error_of([&] {
                recorded.record([] { Tensor::zeros({123457}, Dtype::kF32, Device::kCuda); });
              }),
              HasSubstr("of new memory wanted by work that is recorded"));
  EXPECT_THAT(error_of([&] { recorded.record([&] { synchronize(Device::kCuda); }); }),
              HasSubstr("cudaErrorStreamCapture"));
  EXPECT_THAT(error_of([&] {
                recorded.record([&] {
                  try {
                    synchronize(Device::kCuda);
                  } catch (const DeviceError&) {  // swallowed: the recording stays invalid
                  }
                });
              }),
              HasSubstr("cudaErrorStreamCaptureInvalidated"));
  EXPECT_FALSE(recorded.is_recorded());
  EXPECT_EQ(first(x), 5.0f);
}

/// A step that waits for the device, which none should.
void waiting_step(const TwoViewBatch& batch, StepOutputs& out) {
  out.readback.clear();
  out.features = batch.images.clone();
  out.features.item();
  out.readback.add(out.features);
}

TwoViewBatch one_number(float value) {
  return {.images = Tensor::full({1}, value, Device::kCuda),
          .labels = Tensor::full({1}, 0.0f, Device::kCuda)};
}

TEST_F(CudaRecording, AStepThatWaitsRunsWithoutAGraphOrIsAnErrorWhenAGraphIsWanted) {
  for (const auto mode : {ExperimentConfig::CudaGraph::kAuto, ExperimentConfig::CudaGraph::kOn}) {
    StepGraph graph(mode);
    std::string error;
    for (int i = 0; i < 9 && error.empty(); ++i) {
      try {
        graph.run(one_number(static_cast<float>(i)), waiting_step);
        graph.outputs().readback.wait();
        EXPECT_EQ(graph.outputs().readback[0].item(), static_cast<float>(i));
      } catch (const InternalError& e) {
        error = e.what();
      }
    }
    EXPECT_FALSE(graph.is_recorded());
    if (mode == ExperimentConfig::CudaGraph::kAuto) {
      EXPECT_EQ(error, "");
    } else {
      EXPECT_THAT(error, HasSubstr("cuda_graph: the step cannot be recorded"));
    }
  }
}

TEST_F(CudaRecording, AStepThatDoesNotWaitIsRecordedAndSeesEveryBatch) {
  StepGraph graph(ExperimentConfig::CudaGraph::kOn);
  for (int i = 0; i < 9; ++i) {
    graph.run(one_number(static_cast<float>(i)), [](const TwoViewBatch& batch, StepOutputs& out) {
      out.readback.clear();
      out.features = Tensor();
      out.features = batch.images.clone();
      out.readback.add(out.features);
    });
    graph.outputs().readback.wait();
    EXPECT_EQ(graph.outputs().readback[0].item(), static_cast<float>(i));
    EXPECT_EQ(first(graph.outputs().features), static_cast<float>(i));
  }
  EXPECT_TRUE(graph.is_recorded());
}

}  // namespace
}  // namespace rela
