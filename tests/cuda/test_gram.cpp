#include <gtest/gtest.h>

#include <cmath>

#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/libraries/tuning/product_algorithm.h"
#include "tests/support/array.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

struct Case {
  int64_t rows, p, q;
  Dtype dtype;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rows << "_rows_" << c.p << "_and_" << c.q << "_" << dtype_name(c.dtype);
}

/// All sums that the kernel adds to, in double.
struct Sums {
  explicit Sums(int64_t columns)
      : gram(columns * columns), column(columns), weighted(2 * columns), quartic(3) {}
  std::vector<double> gram, column, weighted, quartic;
};

Sums naive(const Array& x, const Array& y, const std::vector<float>& shift) {
  const int64_t p = x.shape[1], q = y.shape[1], columns = p + q;
  Sums s(columns);
  for (int64_t i = 0; i < x.shape[0]; ++i) {
    std::vector<double> u(columns);
    double a = 0, b = 0;
    for (int64_t c = 0; c < columns; ++c) {
      u[c] = (c < p ? x[i * p + c] : y[i * q + c - p]) - shift[c];
      (c < p ? a : b) += u[c] * u[c];
    }
    for (int64_t c = 0; c < columns; ++c) {
      s.column[c] += u[c];
      s.weighted[c] += a * u[c];
      s.weighted[columns + c] += b * u[c];
      for (int64_t k = 0; k <= c; ++k) s.gram[c * columns + k] += u[c] * u[k];
    }
    s.quartic[0] += a * a;
    s.quartic[1] += a * b;
    s.quartic[2] += b * b;
  }
  return s;
}

/// gram_cuda() with the products computed by the tiled algorithm.
void gram_tiled(const GramInputs& in, const GramSums& sums, const GramDims& d, size_t products) {
  if (d.rows == 0) return;
  DeviceArray<double> column_sums(d.columns());
  DeviceWorkspace columns_workspace(gram_columns_workspace_bytes_cuda(d));
  gram_columns_cuda(in, sums, d, column_sums.data(), columns_workspace.get(), kTestStream);
  DeviceWorkspace workspace(gram_products_tiled_workspace_bytes_cuda(d, in.dtype, products));
  gram_products_tiled_cuda(in, {column_sums.data(), sums.gram}, d, workspace.get(), kTestStream,
                           products);
  simt::stream_synchronize(kTestStream);
}

/// The product algorithm; if tiled, with the given number of bytes for products.
struct Algorithm {
  ProductAlgorithm algorithm = ProductAlgorithm::kFused;
  size_t products_bytes = kGramTiledBytes;
};
/// Every sum starts at `before`.
Sums run(const Algorithm& algorithm, const Array& x, const Array& y,
         const std::vector<float>& shift, Dtype dtype, double before) {
  const GramDims d{.rows = x.shape[0], .p = x.shape[1], .q = y.shape[1]};
  const DeviceValues dx(to_floats(x), dtype), dy(to_floats(y), dtype);
  const DeviceArray<float> dshift(shift);
  Sums host(d.columns());
  const auto filled = [before](const std::vector<double>& v) {
    return DeviceArray<double>(std::vector<double>(v.size(), before));
  };
  DeviceArray<double> gram = filled(host.gram), column = filled(host.column),
                      weighted = filled(host.weighted), quartic = filled(host.quartic);
  const GramInputs in{dx.data(), dy.data(), dtype, dshift.data()};
  const GramSums sums{gram.data(), column.data(), weighted.data(), quartic.data()};
  if (algorithm.algorithm == ProductAlgorithm::kTiled) {
    gram_tiled(in, sums, d, algorithm.products_bytes);
  } else {
    DeviceWorkspace workspace(gram_workspace_bytes_cuda(d, dtype));
    gram_cuda(in, sums, d, workspace.get(), kTestStream);
  }
  host.gram = gram.download();
  host.column = column.download();
  host.weighted = weighted.download();
  host.quartic = quartic.download();
  return host;
}

void expect_near(const char* what, const std::vector<double>& got, const std::vector<double>& want,
                 double before) {
  double largest = 0;
  for (const double v : want) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < want.size(); ++i) {
    // f32 chains of at most kGramCudaChunk terms of similar size; columns are f64 sums of f32
    // shifts.
    ASSERT_NEAR(got[i] - before, want[i], 4e-6 * largest + 1e-12) << what << " " << i;
  }
}

class GramCuda : public testing::TestWithParam<Case> {};

TEST_P(GramCuda, AddsEverySumOfItsDefinition) {
  const auto [rows, p, q, dtype] = GetParam();
  Random random(1);
  const Array x = random_array({rows, p}, random, 0, 2), y = random_array({rows, q}, random, -2, 0);
  std::vector<float> shift(p + q);
  for (int64_t c = 0; c < p + q; ++c) shift[c] = (c < p ? 1.0f : -1.0f) + 0.1f * (c % 7);
  const Sums want = naive(x, y, shift);
  // Without room for two, every chunk is a separate product.
  const std::pair<Algorithm, double> runs[] = {{{}, 0.0},
                                               {{}, 3.0},
                                               {{ProductAlgorithm::kTiled}, 3.0},
                                               {{ProductAlgorithm::kTiled, 1}, 0.0}};
  for (const auto& [algorithm, before] : runs) {
    for_each_schedule([&, algorithm = algorithm, before = before] {
      const Sums got = run(algorithm, x, y, shift, dtype, before);
      std::vector<double> upper_is_untouched = want.gram;
      expect_near("gram", got.gram, upper_is_untouched, before);
      expect_near("column", got.column, want.column, before);
      expect_near("weighted", got.weighted, want.weighted, before);
      expect_near("quartic", got.quartic, want.quartic, before);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, GramCuda,
    testing::Values(Case{1, 1, 1, Dtype::kF32}, Case{33, 31, 5, Dtype::kF32},
                    Case{197, 130, 3, Dtype::kF32}, Case{2100, 5, 4, Dtype::kF32},
                    Case{40, 3, 0, Dtype::kF32}, Case{2100, 9, 0, Dtype::kBf16},
                    Case{1, 1, 1, Dtype::kBf16}, Case{197, 31, 7, Dtype::kBf16},
                    Case{97, 128, 24, Dtype::kBf16}, Case{2100, 8, 8, Dtype::kBf16},
                    Case{197, 31, 7, Dtype::kF16}),
    testing::PrintToStringParamName());

TEST(GramCuda, ShiftIsTheMeanOfTheFirstRowsAndZeroWhereThatIsNotFinite) {
  Random random(2);
  Array x = random_array({300, 3}, random);
  x[7 * 3 + 1] = std::numeric_limits<double>::infinity();
  const Array y = random_array({300, 2}, random);
  for_each_schedule([&] {
    const DeviceValues dx(to_floats(x), Dtype::kF32), dy(to_floats(y), Dtype::kF32);
    DeviceArray<float> shift(int64_t{5});
    gram_shift_cuda({.x = dx.data(), .y = dy.data()}, shift.data(), {300, 3, 2}, kTestStream);
    const std::vector<float> got = shift.download();
    std::vector<float> want(5);
    gram_shift_cpu({.x = to_floats(x).data(), .y = to_floats(y).data()}, want.data(), {300, 3, 2},
                   {});
    EXPECT_EQ(got, want);
    EXPECT_EQ(got[1], 0);
  });
}

TEST(GramCuda, NoRowsAddNothing) {
  for (const ProductAlgorithm algorithm : kProductAlgorithms) {
    const Sums got =
        run({algorithm}, Array({0, 3}), Array({0, 2}), std::vector<float>(5), Dtype::kF32, 7.0);
    for (const double v : got.gram) EXPECT_EQ(v, 7.0);
  }
}

}  // namespace
}  // namespace rela::test
