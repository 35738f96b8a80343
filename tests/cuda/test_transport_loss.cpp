#include <gtest/gtest.h>

#include <cmath>

#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/transport/transport_algorithms_cuda.h"
#include "tests/support/array.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/cuda_harness.h"
#include "tests/support/oracle/transport.h"

namespace rela::test {
namespace {

struct Case {
  int64_t rows, width, outputs, targets;
  Dtype dtype = Dtype::kF32;
  Dtype weight_dtype = Dtype::kF32;
  Bias bias = Bias::kPresent;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rows << "x" << c.width << "x" << c.outputs << "_" << dtype_name(c.dtype) << "_"
             << dtype_name(c.weight_dtype) << (c.bias == Bias::kPresent ? "_bias" : "");
}

Array to_array(const std::vector<float>& v, const Shape& shape) {
  Array a(shape);
  std::copy(v.begin(), v.end(), a.data.begin());
  return a;
}

struct Outputs {
  Array residual, cosine, loss, dh, dw, db;
};

/// If tiled, projections get this many bytes.
struct Algorithm {
  ProductAlgorithm algorithm = ProductAlgorithm::kFused;
  size_t bytes = kTransportTiledBytes;
};
constexpr Algorithm kFused{}, kTiled{ProductAlgorithm::kTiled};

Outputs run(const Algorithm& algorithm, const Case& c, TransportMeasure measure,
            const std::vector<Array>& in, const Array& z) {
  const TransportProblem problem{.dims = {c.rows, c.width, c.outputs, c.targets},
                                 .dtype = c.dtype,
                                 .weight_dtype = c.weight_dtype,
                                 .bias = c.bias,
                                 .measure = measure};
  const DeviceValues h(to_floats(in[0]), c.dtype), w(to_floats(in[1]), c.weight_dtype);
  const DeviceArray<float> b(in.size() == 3 ? to_floats(in[2]) : std::vector<float>{});
  const DeviceArray<float> y(to_floats(z));
  DeviceArray<float> residual(c.rows), cosine(c.rows), loss(int64_t{1}), dh(c.rows * c.width),
      dw(c.outputs * c.width), db(c.outputs);
  const TransportOutputs out{residual.data(), cosine.data(), loss.data(),
                             dh.data(),       dw.data(),     db.data()};
  const TransportInputs inputs{h.data(), w.data(), b.data(), y.data()};
  if (algorithm.algorithm == ProductAlgorithm::kTiled) {
    DeviceWorkspace workspace(
        transport_loss_tiled_workspace_bytes_cuda(problem, out, algorithm.bytes));
    transport_loss_tiled_cuda(problem, inputs, out, workspace.get(), kTestStream, algorithm.bytes);
    simt::stream_synchronize(kTestStream);
  } else {
    DeviceWorkspace workspace(transport_loss_workspace_bytes_cuda(problem, out));
    transport_loss_cuda(problem, inputs, out, workspace.get(), kTestStream);
    simt::stream_synchronize(kTestStream);
  }
  return {to_array(residual.download(), {c.rows}),
          to_array(cosine.download(), {c.rows}),
          to_array(loss.download(), Shape{}),
          to_array(dh.download(), {c.rows, c.width}),
          to_array(dw.download(), {c.outputs, c.width}),
          to_array(db.download(), {c.outputs})};
}

class TransportLossCuda : public testing::TestWithParam<Case> {};

TEST_P(TransportLossCuda, EqualsItsOracle) {
  const Case c = GetParam();
  Random random(1);
  std::vector<Array> in{random_array({c.rows, c.width}, random),
                        random_array({c.outputs, c.width}, random)};
  if (c.bias == Bias::kPresent) in.push_back(random_array({c.outputs}, random));
  const Array z = random_array({c.targets, c.outputs}, random);
  const Array p = linear_oracle(in);
  const auto is_near = [&](const char* what, const Array& got, const Array& want, double slack) {
    const RoundingModel model{
        .reduction = std::max({c.rows, c.width, c.outputs}), .roundings = 1, .slack = slack};
    EXPECT_EQ(difference(what, got, want, tolerance_of(model, want)), "");
  };
  for (const auto measure : {TransportMeasure::kCosine, TransportMeasure::kResidual}) {
    const bool is_cosine = measure == TransportMeasure::kCosine;
    using Measure = TransportOracle::Measure;
    const TransportOracle oracle{.measure = is_cosine ? Measure::kCosine : Measure::kResidual,
                                 .z = z};
    Array dy(Shape{});
    dy[0] = 1;
    Array values({c.rows});
    for (int64_t i = 0; i < c.rows; ++i) {
      values[i] = oracle.value(&p.data[i * c.outputs], oracle.target(i), c.outputs);
    }
    const std::vector<Array> gradients = oracle.backward(in, dy);
    const Algorithm small_chunks{ProductAlgorithm::kTiled,
                                 static_cast<size_t>(c.rows / 2 + 1) * c.outputs * sizeof(float)};
    const auto check = [&](const Algorithm& algorithm) {
      const Outputs got = run(algorithm, c, measure, in, z);
      is_near("rows", is_cosine ? got.cosine : got.residual, values, 2);
      is_near("loss", got.loss, oracle.forward(in), 2);
      // The gradient of the projection is rounded to the type of h before it is multiplied.
      const double slack =
          c.dtype == Dtype::kF32 ? 2 : std::ldexp(1.0, c.dtype == Dtype::kF16 ? 8 : 11);
      is_near("dh", got.dh, gradients[0], slack);
      is_near("dw", got.dw, gradients[1], slack);
      if (c.bias == Bias::kPresent) is_near("db", got.db, gradients[2], slack);
    };
    for (const Algorithm& algorithm : {kFused, kTiled, small_chunks}) {
      for_each_schedule([&] { check(algorithm); });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, TransportLossCuda,
    testing::Values(Case{2, 31, 3, 1}, Case{33, 32, 31, 33}, Case{262, 19, 7, 131},
                    Case{6, 33, 197, 3, Dtype::kF32, Dtype::kF32, Bias::kAbsent},
                    Case{34, 40, 24, 17, Dtype::kBf16, Dtype::kBf16},
                    Case{6, 31, 133, 3, Dtype::kBf16, Dtype::kF32},
                    Case{130, 64, 16, 65, Dtype::kBf16, Dtype::kBf16, Bias::kAbsent},
                    Case{34, 40, 24, 17, Dtype::kF16, Dtype::kF16},
                    Case{6, 31, 133, 3, Dtype::kF16, Dtype::kF32}),
    testing::PrintToStringParamName());

TEST(TransportLossCuda, ZeroRowsAndTargetsGiveNoGradient) {
  const Case c{4, 5, 3, 4, Dtype::kF32, Dtype::kF32, Bias::kAbsent};
  Random random(2);
  std::vector<Array> in{random_array({4, 5}, random), random_array({3, 5}, random)};
  Array z = random_array({4, 3}, random);
  std::fill_n(in[0].data.begin(), 5, 0.0);
  std::fill_n(z.data.begin() + 3, 3, 0.0);
  for (const Algorithm& algorithm : {kFused, kTiled}) {
    for_each_schedule([&] {
      const Outputs got = run(algorithm, c, TransportMeasure::kCosine, in, z);
      EXPECT_TRUE(std::isfinite(got.loss[0]));
      for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(got.dh[i] == 0, i < 10) << i;
    });
  }
}

TEST(TransportLossCuda, AnEmptyBatchCostsNothing) {
  for (const Algorithm& algorithm : {kFused, kTiled}) {
    const Outputs got = run(algorithm, {0, 5, 3, 0}, TransportMeasure::kCosine,
                            {Array({0, 5}), Array({3, 5}), Array({3})}, Array({0, 3}));
    EXPECT_EQ(got.loss[0], 0);
    for (const double g : got.dw.data) EXPECT_EQ(g, 0);
    for (const double g : got.db.data) EXPECT_EQ(g, 0);
  }
}

}  // namespace
}  // namespace rela::test
