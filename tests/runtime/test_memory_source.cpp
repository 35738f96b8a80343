#include "runtime/memory_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "runtime/allocator.h"
#include "runtime/error.h"

namespace rela {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr size_t kMiB = size_t{1} << 20;

/// While it lives, this process may have so many bytes of address space more than it has.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(size_t more) {
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) + more;
    setrlimit(RLIMIT_AS, &limit);
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

class SystemMemory : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers take all of the address space";
#endif
  }
};

TEST_F(SystemMemory, LeavesAddressSpaceToLibrariesWhereItIsLimited) {
  Allocator allocator;
  const AddressSpaceLimit limit(kLibraryBytes + 64 * kMiB);
  const Allocator::Block fits = allocator.allocate(32 * kMiB);
  EXPECT_THAT(
      [&] { allocator.allocate(48 * kMiB); },  // there is room for it, but not beside libraries
      ThrowsMessage<OutOfMemoryError>(AllOf(
          HasSubstr("cpu memory: wanted 48.0 MiB more"), HasSubstr(", address space limited to "),
          HasSubstr("(ulimit -v), of which 128.0 MiB are left"))));
  EXPECT_EQ(allocator.stats().reserved_bytes, 32 * kMiB);
  allocator.free(fits);
}

TEST_F(SystemMemory, TakesAllThereIsWithoutALimit) {
  EXPECT_THAT(system_memory().situation(0), testing::EndsWith(" available on this machine"));
  Allocator allocator;
  allocator.free(allocator.allocate(48 * kMiB));
  EXPECT_EQ(system_memory().allocate(size_t{1} << 50), nullptr);
}

}  // namespace
}  // namespace rela
