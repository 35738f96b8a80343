#include "runtime/allocator.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "runtime/block_size.h"
#include "runtime/error.h"

/// Makes an impossible request return null under AddressSanitizer, as it does without.
extern "C" const char* __asan_default_options();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

namespace rela {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr size_t kMiB = size_t{1} << 20;

TEST(Allocator, ReusesFreedBlocksOfTheSameSize) {
  Allocator allocator;
  const Allocator::Block a = allocator.allocate(100'000);
  allocator.free(a);
  const Allocator::Block b = allocator.allocate(100'000);
  EXPECT_EQ(a.data, b.data);
  EXPECT_EQ(allocator.stats().system_allocations, 1u);
  EXPECT_EQ(allocator.stats().requests, 2u);
  allocator.free(b);
}

TEST(Allocator, AsksTheSystemForNothingInSteadyState) {
  Allocator allocator;
  uint64_t after_first_step = 0;
  for (int step = 0; step < 5; ++step) {
    std::vector<Allocator::Block> blocks;
    for (const size_t bytes : {1u, 64u, 4096u, 4097u, 3'000'000u, 197u}) {
      blocks.push_back(allocator.allocate(bytes));
    }
    for (const Allocator::Block& block : blocks) allocator.free(block);
    if (step == 0) after_first_step = allocator.stats().system_allocations;
  }
  EXPECT_EQ(allocator.stats().system_allocations, after_first_step);
}

TEST(Allocator, DoesNotWasteALargeBlockOnASmallRequest) {
  Allocator allocator;
  const Allocator::Block large = allocator.allocate(64 * kMiB);
  allocator.free(large);
  const Allocator::Block small = allocator.allocate(1000);
  EXPECT_NE(small.data, large.data);
  EXPECT_LT(small.bytes, 2000u);
  allocator.free(small);
}

TEST(Allocator, GivesDistinctWritableAlignedBlocks) {
  Allocator allocator;
  const Allocator::Block a = allocator.allocate(513), b = allocator.allocate(513);
  EXPECT_NE(a.data, b.data);
  EXPECT_GE(a.bytes, 513u);
  for (const Allocator::Block& block : {a, b}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data) % 64, 0u);
    std::memset(block.data, 1, block.bytes);
    allocator.free(block);
  }
}

TEST(Allocator, GivesNothingForNothing) {
  Allocator allocator;
  const Allocator::Block block = allocator.allocate(0);
  EXPECT_EQ(block.data, nullptr);
  allocator.free(block);
  EXPECT_EQ(allocator.stats().requests, 0u);
}

TEST(Allocator, CountsWhatIsHandedOutAndWhatIsKept) {
  Allocator allocator;
  const Allocator::Block a = allocator.allocate(10 * kMiB), b = allocator.allocate(20 * kMiB);
  EXPECT_EQ(allocator.stats().active_bytes, 30 * kMiB);
  allocator.free(a);
  EXPECT_EQ(allocator.stats().active_bytes, 20 * kMiB);
  EXPECT_EQ(allocator.stats().peak_active_bytes, 30 * kMiB);
  EXPECT_EQ(allocator.stats().reserved_bytes, 30 * kMiB);
  allocator.reset_peak();
  EXPECT_EQ(allocator.stats().peak_active_bytes, 20 * kMiB);
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().reserved_bytes, 20 * kMiB);
  allocator.free(b);
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().reserved_bytes, 0u);
}

TEST(Allocator, SaysWhatWasWantedHeldAndAllowedWhenMemoryEnds) {
  Allocator allocator;
  allocator.set_limit(64 * kMiB);
  const Allocator::Block held = allocator.allocate(48 * kMiB);
  EXPECT_THAT([&] { allocator.allocate(32 * kMiB); },
              ThrowsMessage<OutOfMemoryError>(
                  AllOf(HasSubstr("wanted 32.0 MiB more"), HasSubstr("48.0 MiB in use"),
                        HasSubstr("limit 64.0 MiB"), HasSubstr("; use fewer or smaller images"))));
  EXPECT_EQ(allocator.stats().active_bytes, 48 * kMiB);
  allocator.free(held);
}

TEST(Allocator, GivesUpItsCacheBeforeItFails) {
  Allocator allocator;
  allocator.set_limit(64 * kMiB);
  allocator.free(allocator.allocate(48 * kMiB));
  const Allocator::Block block = allocator.allocate(20 * kMiB);  // 48 cached + 20 exceed the limit
  EXPECT_NE(block.data, nullptr);
  EXPECT_EQ(allocator.stats().reserved_bytes, 20 * kMiB);
  allocator.free(block);
}

TEST(Allocator, SurvivesARequestThatNoMachineCanServe) {
  Allocator allocator;
  EXPECT_THROW(allocator.allocate(size_t{1} << 60), OutOfMemoryError);
  EXPECT_THROW(allocator.allocate(std::numeric_limits<size_t>::max()), OutOfMemoryError);
  const Allocator::Block block = allocator.allocate(1);
  EXPECT_NE(block.data, nullptr);
  allocator.free(block);
}

TEST(Allocator, PoisonsFreshMemoryOnRequest) {
  Allocator allocator;
  allocator.set_fresh_memory(FreshMemory::kNan);
  for (int pass = 0; pass < 2; ++pass) {  // from the system, then from the cache
    const Allocator::Block block = allocator.allocate(33 * sizeof(float));
    auto* values = static_cast<float*>(block.data);
    for (int i = 0; i < 33; ++i) EXPECT_TRUE(std::isnan(values[i]));
    std::memset(block.data, 0, block.bytes);
    allocator.free(block);
  }
}

TEST(Allocator, GivesNewBlocksOfTheRequestedSizeOnRequest) {
  Allocator allocator;
  allocator.set_block_sizes(BlockSizes::kExact);
  const Allocator::Block a = allocator.allocate(100);
  EXPECT_EQ(a.bytes, 100u);
  allocator.free(a);
  const Allocator::Block b = allocator.allocate(100);
  EXPECT_NE(b.data, a.data);
  EXPECT_EQ(allocator.stats().system_allocations, 2u);
  allocator.free(b);
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().reserved_bytes, 0u);
}

TEST(Allocator, ServesManyThreads) {
  Allocator allocator;
  const auto work = [&] {
    for (size_t i = 1; i < 300; ++i) {
      const Allocator::Block block = allocator.allocate(i * 37);
      std::memset(block.data, static_cast<int>(i), block.bytes);
      allocator.free(block);
    }
  };
  std::thread a(work), b(work);
  a.join();
  b.join();
  EXPECT_EQ(allocator.stats().active_bytes, 0u);
  EXPECT_EQ(allocator.stats().requests, 2u * 299u);
}

TEST(FormatBytes, PicksTheUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(640), "640 B");
  EXPECT_EQ(format_bytes(12 * kMiB), "12.0 MiB");
  EXPECT_EQ(format_bytes(kMiB * 1536), "1.50 GiB");
}

TEST(Allocator, SaysWhoHoldsHowMuchWhenMemoryIsExhausted) {
  Allocator allocator;
  allocator.set_limit(64 * kMiB);
  const Allocator::Block activation = allocator.allocate(8 * kMiB);
  Allocator::Block parameter;
  Allocator::Block data;
  {
    const MemoryUseGuard parameters(MemoryUse::kParameters);
    parameter = allocator.allocate(32 * kMiB);
    {
      const MemoryUseGuard inner(MemoryUse::kData);
      data = allocator.allocate(4 * kMiB);
    }
    allocator.free(allocator.allocate(2 * kMiB));  // parameters again: freed, so not counted
  }
  EXPECT_THAT([&] { allocator.allocate(40 * kMiB); },
              ThrowsMessage<OutOfMemoryError>(HasSubstr(
                  "44.0 MiB in use: 32.0 MiB of parameters and their gradients, 8.00 MiB "
                  "of activations and their gradients, 4.00 MiB of data (peak 46.0 MiB)")));
  for (const Allocator::Block& block : {activation, parameter, data}) allocator.free(block);
  EXPECT_EQ(allocator.stats().active_by_use, (std::array<size_t, kMemoryUses>{}));
}

/// A device of one byte.
class TinyDevice : public MemorySource {
 public:
  const char* name() const override { return "tiny memory"; }
  void* allocate(size_t) noexcept override { return nullptr; }
  void deallocate(void*) noexcept override {}
  void poison(void*, size_t) override {}
  std::string situation(size_t) const override { return ", 1 B of 1 B free"; }
};

TEST(Allocator, SaysHowTheDeviceStandsAndWhatToDo) {
  TinyDevice device;
  Allocator allocator(device);
  const std::string situation =
      "tiny memory: wanted 1.00 KiB more, 0 B in use (peak 0 B), 1 B of 1 B free; ";
  const std::string usual = "use fewer or smaller images, or a smaller model";
  for (const std::string& advice : {usual, std::string("buy memory"), usual}) {
    set_memory_advice(advice);
    EXPECT_THAT([&] { allocator.allocate(640); },
                ThrowsMessage<OutOfMemoryError>(situation + advice));
  }
}

TEST(MemoryReserve, KeepsItsBlocksFromOthersUntilItEnds) {
  Allocator allocator;
  allocator.free(allocator.allocate(1000));  // cached: the reserve takes it over
  Allocator::Block held;
  {
    MemoryReserve reserve(allocator);
    void* first = nullptr;
    {
      const MemoryReserve::Guard guard(reserve, MemoryReserve::Growth::kRefused);
      const Allocator::Block block = allocator.allocate(1000);
      first = block.data;
      allocator.free(block);
      EXPECT_THROW(allocator.allocate(2 << 20), InternalError);
      held = allocator.allocate(1000);
      EXPECT_EQ(held.data, first);
    }
    const Allocator::Block other = allocator.allocate(1000);
    EXPECT_NE(other.data, first);
    EXPECT_EQ(allocator.stats().system_allocations, 2u);
    allocator.free(held);
    EXPECT_NE(allocator.allocate(1000).data, first);  // `other`'s is in use, the reserve's is kept
    allocator.free(other);
    const MemoryReserve::Guard guard(reserve, MemoryReserve::Growth::kAllowed);
    held = allocator.allocate(1000);
    EXPECT_EQ(held.data, first);
  }
  allocator.free(held);  // after its reserve: back to the allocator
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().active_bytes, round_block_size(1000));
}

}  // namespace
}  // namespace rela
