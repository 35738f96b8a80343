// Batches, models and optimisers on the cuda device against those on the CPU.

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>

#include "nn/optimizer.h"
#include "nn/state.h"
#include "nn/vit.h"
#include "rela/data/device_loader.h"
#include "rela/train/byol.h"
#include "rela/train/online_classifier.h"
#include "rela/train/training_step.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"
#include "runtime/io/file.h"
#include "runtime/ops/statistics.h"
#include "runtime/readback.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

class OnCuda : public testing::Test {
 protected:
  void SetUp() override {
    const std::string complaint = gpu_complaint(gpu_facts());
    if (!complaint.empty()) GTEST_SKIP() << complaint;
  }
};
using CudaLoader = OnCuda;
using CudaModel = OnCuda;
using CudaReadback = OnCuda;

void expect_same_bits(const Tensor& got, const Tensor& want) {
  const Tensor a = got.to(Device::kCpu);
  const Tensor b = want.to(Device::kCpu);
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0);
}

std::unique_ptr<ImageDataset> pictures() {
  return open_dataset({.format = DataFormat::kSynthetic, .path = {}, .synthetic_size = 24});
}
LoaderOptions options() {
  ViewSpec view;
  view.crop_size = 8;
  return {.batch_size = 4, .seed = 3, .views = {view, view}};
}

void expect_same_batches(DeviceLoader& got, TwoViewLoader& want, int count) {
  for (int i = 0; i < count; ++i) {
    SCOPED_TRACE(i);
    const TwoViewBatch& a = got.next();
    const TwoViewBatch& b = want.next();
    EXPECT_EQ(a.images.device(), Device::kCuda);
    EXPECT_EQ(a.epoch, b.epoch);
    EXPECT_EQ(a.index, b.index);
    if (i % 2 == 1) got.prefetch();  // with and without a batch fetched ahead
    expect_same_bits(a.images, b.images);
    expect_same_bits(a.labels, b.labels);
    expect_same_bits(a.samples, b.samples);
    expect_same_bits(got.host_labels(), b.labels);
  }
}

TEST_F(CudaLoader, GivesTheBatchesOfTheLoaderAcrossEpochs) {
  const auto set = pictures();
  DeviceLoader got(*set, options(), Device::kCuda);
  TwoViewLoader want(*set, options());
  expect_same_batches(got, want, 2 * static_cast<int>(want.batches_per_epoch()) + 1);
}

TEST_F(CudaLoader, ForgetsWhatItFetchedAheadWhenItSeeks) {
  const auto set = pictures();
  DeviceLoader got(*set, options(), Device::kCuda);
  TwoViewLoader want(*set, options());
  got.next();
  got.prefetch();
  got.seek(1, 3);
  want.seek(1, 3);
  expect_same_batches(got, want, 4);
}

TEST_F(CudaLoader, ShowsNewViewsFromTheNextBatchOn) {
  const auto set = pictures();
  DeviceLoader got(*set, options(), Device::kCuda);
  TwoViewLoader want(*set, options());
  got.next();
  got.prefetch();
  want.next();
  std::array<ViewSpec, 2> views = options().views;
  views[0].grayscale = 1;
  views[1].hflip = 1;
  got.switch_views(views);
  want.switch_views(views);
  expect_same_batches(got, want, 4);
}

TEST_F(CudaLoader, KeepsABatchWhileKernelsThatReadItWait) {
  const auto set = pictures();
  DeviceLoader got(*set, options(), Device::kCuda);
  TwoViewLoader want(*set, options());
  std::vector<Tensor> seen;
  std::vector<Tensor> expected;
  for (int i = 0; i < 5; ++i) {
    seen.push_back(got.next().images.clone());  // queued: nothing waits for the device
    got.prefetch();
    expected.push_back(want.next().images.clone());
  }
  for (size_t i = 0; i < seen.size(); ++i) expect_same_bits(seen[i], expected[i]);
}

LoaderOptions rendered_on_the_device() {
  LoaderOptions o = options();
  o.augment_on = AugmentOn::kDevice;
  o.views[0].blur.prob = 0.5;
  o.views[0].blur.kernel = BlurKernel::kFull;
  o.views[1].solarize = {.prob = 0.5, .threshold = 0.5};  // continuous at this threshold
  return o;
}

/// The views of the loader's own workers, up to rounding.
void expect_near_batches(DeviceLoader& got, TwoViewLoader& want, int count) {
  for (int i = 0; i < count; ++i) {
    SCOPED_TRACE(i);
    const TwoViewBatch& a = got.next();
    const TwoViewBatch& b = want.next();
    EXPECT_EQ(a.images.device(), Device::kCuda);
    EXPECT_EQ(a.images.dtype(), b.images.dtype());
    EXPECT_EQ(a.epoch, b.epoch);
    EXPECT_EQ(a.index, b.index);
    if (i % 2 == 1) got.prefetch();
    const Tensor images = a.images.to(Device::kCpu);
    ASSERT_EQ(images.shape(), b.images.shape());
    for (int64_t k = 0; k < images.numel(); ++k)
      ASSERT_NEAR(images.data<float>()[k], b.images.data<float>()[k], 1e-4) << k;
    expect_same_bits(a.labels, b.labels);
    expect_same_bits(a.samples, b.samples);
    expect_same_bits(got.host_labels(), b.labels);
  }
}
LoaderOptions on_cpu(LoaderOptions o) {
  o.augment_on = AugmentOn::kCpu;
  return o;
}

TEST_F(CudaLoader, RendersTheViewsOfTheLoaderAcrossEpochs) {
  const auto set = pictures();
  DeviceLoader got(*set, rendered_on_the_device(), Device::kCuda);
  TwoViewLoader want(*set, on_cpu(rendered_on_the_device()));
  expect_near_batches(got, want, 2 * static_cast<int>(want.batches_per_epoch()) + 1);
}

TEST_F(CudaLoader, RendersLargeViewsOfItsShareOfTheBatch) {
  const auto set = pictures();
  LoaderOptions o = rendered_on_the_device();
  o.views[0].crop_size = o.views[1].crop_size = 104;  // in the workspace
  o.views[0].blur.kernel = BlurKernel::kTenth;
  o.rank = 1;
  o.world = 4;
  DeviceLoader got(*set, o, Device::kCuda);
  TwoViewLoader want(*set, on_cpu(o));
  expect_near_batches(got, want, 3);
}

TEST_F(CudaLoader, RendersNewViewsFromTheNextBatchOnAndAfterASeek) {
  const auto set = pictures();
  DeviceLoader got(*set, rendered_on_the_device(), Device::kCuda);
  TwoViewLoader want(*set, on_cpu(rendered_on_the_device()));
  got.next();
  got.prefetch();
  want.next();
  std::array<ViewSpec, 2> views = options().views;
  views[0].grayscale = 1;
  got.switch_views(views);
  want.switch_views(views);
  expect_near_batches(got, want, 3);
  got.prefetch();
  got.seek(1, 3);
  want.seek(1, 3);
  expect_near_batches(got, want, 3);
}

TEST_F(CudaLoader, RendersTheSameBitsTwiceAndKeepsThemWhileKernelsWait) {
  const auto set = pictures();
  DeviceLoader one(*set, rendered_on_the_device(), Device::kCuda);
  LoaderOptions o = rendered_on_the_device();
  o.workers = 3;
  DeviceLoader two(*set, o, Device::kCuda);
  std::vector<Tensor> seen;
  for (int i = 0; i < 5; ++i) {
    seen.push_back(one.next().images.clone());  // queued: nothing waits for the device
    one.prefetch();
  }
  for (const Tensor& images : seen) expect_same_bits(images, two.next().images);
}

TEST_F(CudaLoader, OnTheCpuTheLoaderRendersWhateverIsAskedFor) {
  const auto set = pictures();
  DeviceLoader got(*set, rendered_on_the_device(), Device::kCpu);
  TwoViewLoader want(*set, on_cpu(rendered_on_the_device()));
  for (int i = 0; i < 3; ++i) expect_same_bits(got.next().images, want.next().images);
}

TEST_F(CudaReadback, FetchesTensorsOfBothDevicesAsTheyWereWhenAskedFor) {
  Readback readback;
  Tensor there = Tensor::full({3}, 2.0f, Device::kCuda);
  for (int round = 0; round < 2; ++round) {
    readback.clear();
    readback.add(there);
    readback.add(Tensor::full({2}, 7.0f));
    readback.add(Tensor::zeros({0}, Dtype::kF32, Device::kCuda));
    there.copy_from(Tensor::full({3}, 9.0f, Device::kCuda));
    readback.wait();
    EXPECT_THAT(readback[0].span<float>(), testing::Each(round == 0 ? 2.0f : 9.0f));
    EXPECT_THAT(readback[1].span<float>(), testing::Each(7.0f));
    EXPECT_EQ(readback.back().numel(), 0);
  }
}

TEST_F(CudaReadback, IsNotForgottenBeforeItArrived) {
  Readback readback;
  readback.add(Tensor::full({}, 1.0f, Device::kCuda));
  EXPECT_THROW(readback.clear(), InternalError);
  readback.wait();
  EXPECT_NO_THROW(readback.clear());
}

ByolSpec small_byol(Device device) {
  return {.backbone = ResNetSpec{.width = 4},
          .heads = {.proj_hidden_dim = 16, .proj_output_dim = 8, .pred_hidden_dim = 16},
          .device = device};
}

TEST_F(CudaModel, StartsWithTheWeightsOfTheCpuAndWritesTheSameFile) {
  const test::TempDir dir;
  const Byol here(small_byol(Device::kCpu), 1);
  const Byol there(small_byol(Device::kCuda), 1);
  save_state((dir / "here").string(), here.state());
  save_state((dir / "there").string(), there.state());
  EXPECT_EQ(read_file((dir / "here").string()), read_file((dir / "there").string()));
}

TEST_F(CudaModel, ReadsAFileOfTheCpu) {
  const test::TempDir dir;
  const Byol source(small_byol(Device::kCpu), 5);
  Byol there(small_byol(Device::kCuda), 1);
  save_state((dir / "file").string(), source.state());
  std::vector<StateTensor> state = there.state();
  load_state(SafetensorsReader((dir / "file").string()), state);
  const std::vector<StateTensor> want = source.state();
  ASSERT_EQ(state.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) expect_same_bits(state[i].value, want[i].value);
}

constexpr float kLr = 1e-3f;

/// Two steps on synthetic images.
struct Trained {
  std::vector<double> numbers;  // loss, the classifier's loss and feature_std of each
  std::vector<float> target;    // the averaged weights afterwards
};
Trained train(Device device, OptimizerSpec::Name optimizer_name) {
  const auto byol = std::make_shared<Byol>(small_byol(device), 1);
  Optimizer optimizer({.name = optimizer_name, .weight_decay = 0.01}, byol->parameters(),
                      byol->target());
  OnlineClassifier classifier(byol->feature_width(), 10, 2, device);
  Phase phase{.learner = byol, .views = options().views, .parts = {}};
  phase.parts.push_back(
      {.name = "online", .arena = &byol->parameters(), .optimizer = &optimizer, .state = {}});
  phase.parts.push_back(classifier.part());
  LossScale scale(std::nullopt, /*accum_steps=*/1, device);
  TrainingStep step(phase, scale, {});
  const auto set = pictures();
  DeviceLoader loader(*set, options(), device);
  Trained trained;
  for (int64_t i = 1; i <= 2; ++i) {
    const StepResult result = step.run(i, loader, {.lr = kLr, .tau = 0.9f});
    Readback readback;
    const Var seen =
        classifier.loss(result.features.slice(0, 4), loader.host_labels().to(device), readback);
    trained.numbers.push_back(result.loss);
    trained.numbers.push_back(seen.value().item());
    trained.numbers.push_back(feature_std(result.features));
    readback.wait();
  }
  const Tensor target = byol->target()->weights().values().to(Device::kCpu);
  trained.target.assign(target.span<float>().begin(), target.span<float>().end());
  return trained;
}

TEST_F(CudaModel, TrainsLikeTheCpuWithEveryOptimizer) {
  for (const auto name :
       {OptimizerSpec::Name::kSgd, OptimizerSpec::Name::kAdamW, OptimizerSpec::Name::kLars}) {
    const Trained here = train(Device::kCpu, name);
    const Trained there = train(Device::kCuda, name);
    for (size_t i = 0; i < here.numbers.size(); ++i)
      EXPECT_NEAR(there.numbers[i], here.numbers[i], 1e-3 * std::abs(here.numbers[i])) << i;
    // Adam's first steps follow the gradient's sign: where the gradient is only rounding, a weight
    // may move the other way, and the target a tenth of that.
    const double limit = name == OptimizerSpec::Name::kAdamW ? 0.6 * kLr : 1e-4;
    for (size_t i = 0; i < here.target.size(); ++i)
      ASSERT_NEAR(there.target[i], here.target[i], limit) << i;
  }
}

/// Features, then the gradients of all parameters for a sum of squares of the features.
std::vector<float> features_and_gradients_of_vit(Device device) {
  VisionTransformer model({.image_size = 16, .patch = 4, .width = 32, .depth = 2, .heads = 2});
  initialize(model, 3);
  ParameterArena arena(model.parameters(), Dtype::kF32, device);
  const Tensor images = test::formula_images("images", 1).view({4, 16, 16, 3}).to(device);
  const Var features = model.forward(Var(images), {});
  backward(features, features.value());
  arena.finish_gradients();
  std::vector<float> all;
  for (const Tensor& t : {features.value(), arena.gradients()}) {
    const Tensor host = t.to(Device::kCpu);
    all.insert(all.end(), host.span<float>().begin(), host.span<float>().end());
  }
  return all;
}

TEST_F(CudaModel, AVisionTransformerComputesLikeTheCpu) {
  const std::vector<float> here = features_and_gradients_of_vit(Device::kCpu);
  const std::vector<float> there = features_and_gradients_of_vit(Device::kCuda);
  ASSERT_EQ(there.size(), here.size());
  EXPECT_LT(test::relative_error(there, here), 2e-6);
}

}  // namespace
}  // namespace rela
