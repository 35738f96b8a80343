// The flat kernels: add, cast, scale. Inputs are exact in bf16.

#include <gtest/gtest.h>

#include <tuple>

#include "kernels/elementwise/add.h"
#include "kernels/elementwise/cast.h"
#include "kernels/elementwise/scale.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

const std::vector<int64_t> kSizes = {0, 1, 7, 8, 9, 31, 32, 33, 197, 4099};
constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};

class ElementwiseCuda : public ::testing::TestWithParam<std::tuple<int64_t, Dtype>> {
 protected:
  int64_t n() const { return std::get<0>(GetParam()); }
  Dtype dtype() const { return std::get<1>(GetParam()); }
  Array values() { return random_array({n()}, random_); }

 private:
  Random random_{1};
};
INSTANTIATE_TEST_SUITE_P(Sizes, ElementwiseCuda,
                         ::testing::Combine(::testing::ValuesIn(kSizes),
                                            ::testing::ValuesIn(kStorageTypes)));

TEST_P(ElementwiseCuda, AddSumsInF32) {
  const Array a = values(), b = values();
  Array want = a;
  for (int64_t i = 0; i < n(); ++i) want[i] += b[i];
  for_each_schedule([&] {
    const DeviceValues a_device = on_device(a, dtype());
    const DeviceValues b_device = on_device(b, dtype());
    DeviceValues y(n(), dtype());
    add_forward_cuda(a_device.data(), b_device.data(), y.data(), n(), dtype(), kTestStream);
    expect_near("y", y.download(), want, {.dtype = dtype()});
    DeviceValues into = on_device(a, dtype());
    add_into_cuda(into.data(), b_device.data(), n(), dtype(), kTestStream);
    expect_near("into", into.download(), want, {.dtype = dtype()});
  });
}

TEST_P(ElementwiseCuda, CastOverwritesAndAccumulates) {
  const Array x = values(), old = values();
  for (const Dtype to : kStorageTypes) {
    for (const Write mode : kModes) {
      for_each_schedule([&] {
        const DeviceValues x_device = on_device(x, dtype());
        DeviceValues y = output_like(old, to, mode);
        cast_cuda({x_device.data(), dtype(), y.data(), to, mode}, n(), kTestStream);
        expect_near("y", y.download(), expected(old, x, mode), {.dtype = to});
      });
    }
  }
}

TEST_P(ElementwiseCuda, ScaleReadsItsFactorFromTheDevice) {
  const Array x = values(), old = values();
  Array scaled = x;
  for (double& v : scaled.data) v *= -1.5;
  for (const Write mode : kModes) {
    for_each_schedule([&] {
      const DeviceArray<float> x_device = on_device(x);
      const DeviceArray<float> factor(std::vector<float>{-1.5f});
      DeviceValues y = output_like(old, dtype(), mode);
      scale_cuda({x_device.data(), factor.data(), y.data(), dtype(), mode}, n(), kTestStream);
      expect_near("y", y.download(), expected(old, scaled, mode), {.dtype = dtype()});
    });
  }
}

/// Values whose rounding to T is awkward, cast on the device and on the host.
template <class T>
void expect_rounded_as_on_the_host() {
  std::vector<float> values;
  for (uint32_t high = 0; high < 0x10000; high += 97) {
    for (const uint32_t low : {0x0000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      values.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  for (uint32_t half = 0; half < 0x7c00; half += 31) {  // f16 values, and around their midpoints
    const uint32_t bits = std::bit_cast<uint32_t>(to_float(F16{static_cast<uint16_t>(half)}));
    for (const uint32_t above : {0x0u, 0x0fffu, 0x1000u, 0x1001u}) {
      values.push_back(std::bit_cast<float>(bits + above));
    }
  }
  const DeviceArray<float> x(values);
  DeviceArray<T> y(values.size());
  cast_cuda({x.data(), Dtype::kF32, y.data(), DtypeOf<T>::value}, x.ssize(), kTestStream);
  const std::vector<T> got = y.download();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != values[i]) {
      ASSERT_NE(to_float(got[i]), to_float(got[i])) << i;
    } else {
      ASSERT_EQ(got[i].bits, store_as<T>(values[i]).bits) << values[i];
    }
  }
}
TEST(CastCuda, RoundsEveryAwkwardF32AsTheHostDoes) {
  expect_rounded_as_on_the_host<Bf16>();
  expect_rounded_as_on_the_host<F16>();
}

TEST(AddCuda, TakesArraysThatAreNotAlignedTo16Bytes) {
  Random random(2);
  const Array a = random_array({101}, random);
  for_each_schedule([&] {
    const DeviceArray<float> x = on_device(a);
    DeviceArray<float> y(a.numel());
    add_forward_cuda(x.data() + 1, x.data(), y.data() + 1, 100, Dtype::kF32, kTestStream);
    const std::vector<float> got = y.download();
    EXPECT_TRUE(is_unwritten(got[0]));
    for (int64_t i = 1; i < 101; ++i) {
      ASSERT_EQ(got[static_cast<size_t>(i)], static_cast<float>(a[i] + a[i - 1])) << i;
    }
  });
}

}  // namespace
}  // namespace rela::test
