#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/ops/gram.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

struct Columns {
  int64_t rows, p, q;
};
std::ostream& operator<<(std::ostream& out, const Columns& c) {
  return out << c.rows << "_rows_" << c.p << "_and_" << c.q;
}

/// The joined rows [x y].
Array join(const Array& x, const Array& y) {
  const int64_t p = x.shape[1], q = y.shape[1];
  Array z({x.shape[0], p + q});
  for (int64_t i = 0; i < x.shape[0]; ++i) {
    for (int64_t c = 0; c < p + q; ++c) {
      z[i * (p + q) + c] = c < p ? x[i * p + c] : y[i * q + c - p];
    }
  }
  return z;
}

/// The definitions, in double.
CentredMoments naive_moments(const Array& z, int64_t p) {
  const int64_t n = z.shape[0], columns = z.shape[1];
  CentredMoments m{.rows = n,
                   .p = p,
                   .q = columns - p,
                   .mean = std::vector<double>(columns),
                   .gram = std::vector<double>(columns * columns),
                   .quartic = {}};
  for (int64_t i = 0; i < z.numel(); ++i) m.mean[i % columns] += z[i] / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    std::vector<double> c(columns);
    double a = 0, b = 0;
    for (int64_t j = 0; j < columns; ++j) {
      c[j] = z[i * columns + j] - m.mean[j];
      (j < p ? a : b) += c[j] * c[j];
    }
    m.quartic[0] += a * a;
    m.quartic[1] += a * b;
    m.quartic[2] += b * b;
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t k = 0; k < columns; ++k) m.gram[j * columns + k] += c[j] * c[k];
    }
  }
  return m;
}

Array as_array(std::span<const double> values) {
  Array a({static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), a.data.begin());
  return a;
}

void expect_moments(const CentredMoments& got, const CentredMoments& want) {
  EXPECT_EQ(got.rows, want.rows);
  const auto compare = [](const char* what, std::span<const double> a, std::span<const double> b) {
    const Array want_array = as_array(b);
    // Products are f32 sums over a chunk; the mean is shifted in f32.
    const RoundingModel model{.reduction = 256};
    EXPECT_EQ(difference(what, as_array(a), want_array, tolerance_of(model, want_array)), "");
  };
  compare("mean", got.mean, want.mean);
  compare("gram", got.gram, want.gram);
  compare("quartic", got.quartic, want.quartic);
}

/// Adds the rows in chunks of `step`.
CentredMoments summed(const Array& x, const Array& y, int64_t step, Dtype dtype = Dtype::kF32) {
  MomentSums sums(x.shape[1], y.shape[1]);
  const Tensor tx = to_tensor(x, dtype), ty = to_tensor(y, dtype);
  for (int64_t i = 0; i < x.shape[0]; i += step) {
    const int64_t end = std::min(i + step, x.shape[0]);
    sums.add(tx.slice(i, end), y.shape[1] == 0 ? Tensor{} : ty.slice(i, end));
  }
  return sums.centred();
}

class MomentShapes : public testing::TestWithParam<Columns> {};

TEST_P(MomentShapes, EqualTheirDefinitionInDouble) {
  const auto [rows, p, q] = GetParam();
  Random random(1);
  // Far from zero: without the shift the products would cancel.
  const Array x = random_array({rows, p}, random, 3, 5),
              y = random_array({rows, q}, random, -9, -8);
  const CentredMoments want = naive_moments(join(x, y), p);
  for (const int64_t step : {int64_t{1000}, int64_t{197}, int64_t{31}}) {
    SCOPED_TRACE(step);
    expect_moments(summed(x, y, step), want);
  }
  expect_moments(summed(x, y, 64, Dtype::kBf16), want);  // the values are exact in bf16
}

INSTANTIATE_TEST_SUITE_P(Sizes, MomentShapes,
                         testing::Values(Columns{1, 1, 1}, Columns{31, 33, 5}, Columns{255, 48, 0},
                                         Columns{256, 47, 1}, Columns{257, 1, 48},
                                         Columns{521, 97, 13}, Columns{300, 50, 100}),
                         testing::PrintToStringParamName());

TEST(MomentSums, AreSymmetricAndOfTheRowsSoFar) {
  Random random(2);
  const Array x = random_array({70, 55}, random), y = random_array({70, 7}, random);
  MomentSums sums(55, 7);
  EXPECT_EQ(sums.centred().rows, 0);
  sums.add(to_tensor(x, Dtype::kF32), to_tensor(y, Dtype::kF32));
  const CentredMoments once = sums.centred();
  for (int64_t i = 0; i < 62; ++i) {
    for (int64_t j = 0; j < i; ++j) ASSERT_EQ(once.at(i, j), once.at(j, i));
  }
  sums.add(to_tensor(x, Dtype::kF32), to_tensor(y, Dtype::kF32));
  const CentredMoments twice = sums.centred();
  EXPECT_EQ(twice.rows, 140);
  for (size_t i = 0; i < once.gram.size(); ++i) {
    EXPECT_NEAR(twice.gram[i], 2 * once.gram[i], 1e-4) << i;
  }
}

TEST(MomentSums, ThreadCountDoesNotChangeABit) {
  Random random(3);
  const Array x = random_array({700, 130}, random), y = random_array({700, 20}, random);
  const int before = cpu_threads();
  set_cpu_threads(1);
  const CentredMoments one = summed(x, y, 700);
  for (const int threads : {2, 3}) {
    set_cpu_threads(threads);
    const CentredMoments many = summed(x, y, 700);
    EXPECT_EQ(one.gram, many.gram);
    EXPECT_EQ(one.mean, many.mean);
    EXPECT_EQ(one.quartic, many.quartic);
  }
  set_cpu_threads(before);
}

TEST(MomentSums, ANonFiniteValueShowsInItsOwnColumnsSums) {
  Random random(4);
  Array x = random_array({40, 5}, random);
  x[7 * 5 + 2] = std::numeric_limits<double>::infinity();
  const CentredMoments m = summed(x, Array({40, 0}), 40);
  for (int64_t c = 0; c < 5; ++c) EXPECT_EQ(std::isfinite(m.mean[c]), c != 2) << c;
}

TEST(MomentSums, RefuseWhatDoesNotFit) {
  MomentSums sums(3, 2);
  const auto zeros = [](const Shape& shape, Dtype dtype = Dtype::kF32) {
    return Tensor::zeros(shape, dtype);
  };
  EXPECT_THROW(sums.add(zeros({4, 2}), zeros({4, 2})), ShapeError);
  EXPECT_THROW(sums.add(zeros({4, 3}), zeros({5, 2})), ShapeError);
  EXPECT_THROW(sums.add(zeros({4, 3})), ShapeError);
  EXPECT_THROW(sums.add(zeros({4, 3}, Dtype::kI64), zeros({4, 2}, Dtype::kI64)), DtypeError);
  EXPECT_THROW(MomentSums(0, 2), ShapeError);
}

}  // namespace
}  // namespace rela::test
