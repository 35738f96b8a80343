// Tensors, memory and streams of the cuda device: emulated or real.

#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "runtime/allocator.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/float32_matmul.h"
#include "runtime/gpu_facts.h"
#include "runtime/ops/ops.h"
#include "runtime/tensor.h"
#ifdef RELA_CUDA_SIMT
#include "kernels/simt/emulator/options.h"
#endif

namespace rela {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsNan;
using testing::ThrowsMessage;

constexpr size_t kMiB = size_t{1} << 20;

class DeviceRuntime : public testing::Test {
 protected:
  void SetUp() override {
    const std::string complaint = gpu_complaint(gpu_facts());
    if (!complaint.empty()) GTEST_SKIP() << complaint;
  }
};
using CudaTensor = DeviceRuntime;
using CudaMemory = DeviceRuntime;
using CudaStreams = DeviceRuntime;
using CudaOps = DeviceRuntime;

Tensor counting(const Shape& shape) {
  Tensor t = Tensor::empty(shape, Dtype::kF32);
  std::iota(t.span<float>().begin(), t.span<float>().end(), 0.0f);
  return t;
}
std::vector<float> values(const Tensor& t) {
  const Tensor host = t.to(Device::kCpu);
  const std::span<const float> all = host.span<float>();
  return {all.begin(), all.end()};
}

TEST_F(CudaTensor, TravelsToTheDeviceAndBack) {
  for (const int64_t n : {0, 1, 31, 197}) {
    const Tensor host = counting({n});
    const Tensor there = host.to(Device::kCuda);
    EXPECT_EQ(there.device(), Device::kCuda);
    EXPECT_EQ(values(there), values(host)) << n;
  }
}

TEST_F(CudaTensor, IsMadeOfZerosAndOfOneValue) {
  EXPECT_THAT(values(Tensor::zeros({3}, Dtype::kF32, Device::kCuda)), ElementsAre(0, 0, 0));
  EXPECT_THAT(values(Tensor::full({2}, 2.5f, Device::kCuda)), ElementsAre(2.5f, 2.5f));
  Tensor t = Tensor::full({2, 2}, 1.0f, Device::kCuda);
  Tensor row = t.slice(1, 2);
  row.fill_zero();
  EXPECT_THAT(values(t), ElementsAre(1, 1, 0, 0));
}

TEST_F(CudaTensor, CopiesOnTheDevice) {
  Tensor t = counting({5}).to(Device::kCuda);
  const Tensor copy = t.clone();
  t.copy_from(Tensor::full({5}, 7.0f, Device::kCuda));
  EXPECT_THAT(values(copy), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(values(t), Each(7.0f));
}

TEST_F(CudaTensor, TakesHostValuesThatChangeRightAfterwards) {
  Tensor host = counting({4});
  const Tensor there = host.to(Device::kCuda);
  host.fill_zero();
  EXPECT_THAT(values(there), ElementsAre(0, 1, 2, 3));
}

TEST_F(CudaTensor, GivesOneValue) {
  EXPECT_EQ(Tensor::full({}, 3.5f, Device::kCuda).item(), 3.5f);
  EXPECT_THAT([] { (void)Tensor::zeros({2}, Dtype::kF32, Device::kCuda).item(); },
              ThrowsMessage<ShapeError>(HasSubstr("f32 [2] on cuda; one element is needed")));
}

TEST_F(CudaTensor, RefusesHostCode) {
  Tensor t = Tensor::zeros({2, 3}, Dtype::kF32, Device::kCuda);
  EXPECT_THAT([&] { (void)t.data<float>(); },
              ThrowsMessage<InternalError>(
                  AllOf(HasSubstr("f32 [2, 3] on cuda read by host code"), HasSubstr("to("))));
  EXPECT_THAT([&] { (void)std::as_const(t).span<float>(); }, testing::Throws<InternalError>());
}

TEST_F(CudaMemory, ReusesBlocksAndCountsThem) {
  Allocator& allocator = Allocator::of(Device::kCuda);
  uint64_t after_first = 0;
  for (int step = 0; step < 3; ++step) {
    const Tensor a = Tensor::empty({1000, 1000}, Dtype::kF32, Device::kCuda);
    const Tensor b = Tensor::empty({10}, Dtype::kF32, Device::kCuda);
    if (step == 0) after_first = allocator.stats().system_allocations;
  }
  EXPECT_EQ(allocator.stats().system_allocations, after_first);
  EXPECT_EQ(Allocator::of(Device::kCpu).stats().active_by_use.size(), kMemoryUses);
}

TEST_F(CudaMemory, ExhaustedSaysWhatIsWantedHeldAndFree) {
  Allocator& allocator = Allocator::of(Device::kCuda);
  allocator.release_cached();
  const Tensor held = Tensor::empty({16 << 20}, Dtype::kU8, Device::kCuda);
  allocator.set_limit(allocator.stats().reserved_bytes + 8 * kMiB);
  EXPECT_THAT([] { (void)Tensor::empty({32 << 20}, Dtype::kU8, Device::kCuda); },
              ThrowsMessage<OutOfMemoryError>(AllOf(HasSubstr("cuda memory: wanted 32.0 MiB more"),
                                                    HasSubstr("of activations and their gradients"),
                                                    HasSubstr("of the GPU's"), HasSubstr("free"),
                                                    HasSubstr("use fewer or smaller images"))));
  allocator.set_limit(0);
  EXPECT_NO_THROW((void)Tensor::empty({32 << 20}, Dtype::kU8, Device::kCuda));
}

TEST_F(CudaMemory, IsNanWhereNobodyWroteWhenAskedFor) {
  Allocator::of(Device::kCuda).set_fresh_memory(FreshMemory::kNan);
  const Tensor t = Tensor::empty({33}, Dtype::kF32, Device::kCuda);
  Allocator::of(Device::kCuda).set_fresh_memory(FreshMemory::kUndefined);
  EXPECT_THAT(values(t), Each(IsNan()));
}

TEST_F(CudaStreams, AnEventOrdersTheCopyStreamBeforeTheComputeStream) {
  Tensor host = Tensor::pinned({1000}, Dtype::kF32);
  Tensor there = Tensor::zeros({1000}, Dtype::kF32, Device::kCuda);
  CudaEvent free;
  CudaEvent copied;
  free.record(cuda_compute_stream());  // the zeros are written
  std::iota(host.span<float>().begin(), host.span<float>().end(), 0.0f);
  free.stream_wait(cuda_copy_stream());
  cuda_copy_async(there.raw(), host.raw(), host.bytes(), CopyKind::kHostToDevice,
                  cuda_copy_stream());
  copied.record(cuda_copy_stream());
  copied.stream_wait(cuda_compute_stream());
  const Tensor seen = there.clone();  // in the compute stream
  copied.wait();
  host.fill_zero();
  EXPECT_EQ(values(seen), values(counting({1000})));
}

TEST_F(CudaStreams, AnEventThatWasNeverRecordedHoldsNothingBack) {
  const CudaEvent event;
  event.stream_wait(cuda_compute_stream());
  event.wait();
  synchronize(Device::kCuda);
}

TEST_F(CudaOps, RunInTheComputeStreamForwardAndBackward) {
  const Var x = make_parameter(Tensor::full({4}, -1.0f, Device::kCuda));
  x.node().value.slice(2, 4).copy_from(Tensor::full({2}, 3.0f));
  const Var y = relu(x);
  EXPECT_THAT(values(y.value()), ElementsAre(0, 0, 3, 3));
  backward(y, Tensor::full({4}, 2.0f, Device::kCuda));
  EXPECT_THAT(values(parameter_grad(x)), ElementsAre(0, 0, 2, 2));
}

/// Values and gradients of a convolution and a linear layer whose factors need 24 bits of mantissa.
std::vector<float> products() {
  const Tensor odd = Tensor::full({1, 2, 2, 8}, 1.0f + 0x1p-11f + 0x1p-20f, Device::kCuda);
  const Var x = make_parameter(odd);
  const Var w = make_parameter(Tensor::full({8, 1, 1, 8}, 1.0f, Device::kCuda));
  const Var y = conv2d(x, w, {});
  backward(y, odd);
  const Var rows = make_parameter(Tensor::full({4, 8}, 1.0f + 0x1p-20f, Device::kCuda));
  const Var linear_y = linear(rows, make_parameter(Tensor::full({3, 8}, 1.0f, Device::kCuda)));
  return {values(y.value())[0], values(parameter_grad(x))[0], values(parameter_grad(w))[0],
          values(linear_y.value())[0]};
}

TEST_F(CudaOps, MultiplyInTf32OnlyWhenAllowed) {
  const double odd = 1.0 + 0x1p-11 + 0x1p-20;
  const std::vector<float> exact = products();
  EXPECT_FLOAT_EQ(exact[0], 8 * odd);
  EXPECT_FLOAT_EQ(exact[1], 8 * odd);
  EXPECT_FLOAT_EQ(exact[2], 4 * odd * odd);
  EXPECT_FLOAT_EQ(exact[3], 8 * (1.0 + 0x1p-20));
  set_float32_matmul(F32Math::kTf32);
  const std::vector<float> rounded = products();
  set_float32_matmul(F32Math::kExact);
  const double near = 1.0 + 0x1p-10;  // the nearest with 10 bits
  for (const auto& [value, expected] : {std::pair(rounded[0], 8 * near),
                                        {rounded[1], 8 * near},
                                        {rounded[2], 4 * near * near},
                                        {rounded[3], 8.0}}) {
    EXPECT_FLOAT_EQ(value, static_cast<float>(expected));
  }
}

#ifdef RELA_CUDA_SIMT
TEST_F(CudaTensor, IsFreedOnlyIfNothingWasWrittenPastItsEnd) {
  Allocator& allocator = Allocator::of(Device::kCuda);
  allocator.set_block_sizes(BlockSizes::kExact);
  const Allocator::Block block = allocator.allocate(20);
  static_cast<char*>(block.data)[20] = 1;
  allocator.free(block);
  allocator.set_block_sizes(BlockSizes::kRounded);
  allocator.release_cached();
  EXPECT_THAT([] { synchronize(Device::kCuda); },
              ThrowsMessage<DeviceError>(HasSubstr("written outside an allocation of 20 bytes")));
  synchronize(Device::kCuda);  // which says it once
}

TEST_F(CudaOps, AttentionGivesTheLibraryItsWorkspace) {
  Tensor numbers = Tensor::empty({2, 5, 96}, Dtype::kF32);
  for (int64_t i = 0; i < numbers.numel(); ++i) {
    numbers.data<float>()[i] = std::sin(static_cast<float>(i));
  }
  const Var qkv = cast(Var(numbers.to(Device::kCuda)), Dtype::kF16);
  const auto out = [&] { return values(cast(attention(qkv, {.heads = 2}), Dtype::kF32).value()); };
  const std::vector<float> builtin = out();
  simt::options().library_attention = true;
  EXPECT_THAT(out(), testing::Pointwise(testing::FloatNear(1e-3f), builtin));
  simt::options().library_attention = false;
}
#endif

TEST_F(CudaOps, RefuseInputsOnTwoDevices) {
  const Var here(Tensor::zeros({2}, Dtype::kF32));
  const Var there(Tensor::zeros({2}, Dtype::kF32, Device::kCuda));
  EXPECT_THAT([&] { add(there, here); },
              ThrowsMessage<DeviceError>(
                  AllOf(HasSubstr("add: x f32 [2] on cuda"), HasSubstr("one device is needed"))));
  const Var y = relu(make_parameter(Tensor::zeros({2}, Dtype::kF32, Device::kCuda)));
  EXPECT_THAT([&] { backward(y, Tensor::zeros({2}, Dtype::kF32)); },
              ThrowsMessage<DeviceError>(HasSubstr("both must be on one device")));
}

TEST(GpuFacts, SayWhatStandsBehindTheDevice) {
  const GpuFacts facts = gpu_facts();
  EXPECT_NE(facts.build, CudaBuild::kNone);
  EXPECT_GE(facts.runtime_version, 13000);
}

}  // namespace
}  // namespace rela
