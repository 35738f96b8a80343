#include "rela/transport/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/error.h"
#include "runtime/io/safetensors.h"
#include "tests/rela/transport/random_features.h"
#include "tests/support/temp_dir.h"

namespace rela::test {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

/// y of width 2: the first two columns of x, the second one hidden by noise of the same size.
Tensor half_explained(const Tensor& x) {
  const Tensor noise = normal_rows(x.shape()[0], 1, 99);
  Tensor y = Tensor::empty({x.shape()[0], 2}, Dtype::kF32);
  for (int64_t i = 0; i < x.shape()[0]; ++i) {
    y.data<float>()[2 * i] = x.data<float>()[i * x.shape()[1]];
    y.data<float>()[2 * i + 1] = noise.data<float>()[i];
  }
  return y;
}

TEST(CompareFeatures, FindsALinearMapThatIsThere) {
  const Tensor x = normal_rows(400, 3, 1);
  Tensor y = x.clone();
  for (float& v : y.span<float>()) v = 5 * v - 40;
  const Comparison c = compare_features(labelled(x), labelled(y), {});
  EXPECT_EQ(c.images, 400);
  EXPECT_EQ(c.held_out, 80);
  EXPECT_LT(c.forward.residual, 1e-9);
  EXPECT_LT(c.reverse.residual, 1e-9);
  EXPECT_NEAR(c.cka.plain, 1, 1e-6);
}

TEST(CompareFeatures, MeasuresEachDirectionOnHeldOutImages) {
  const Tensor x = normal_rows(3000, 4, 2);
  const Comparison c = compare_features(labelled(x), labelled(half_explained(x)), {});
  EXPECT_NEAR(c.forward.residual, 0.5, 0.05);   // one of two equal variances
  EXPECT_NEAR(c.reverse.residual, 0.75, 0.05);  // one of four columns is explained
  EXPECT_NEAR(c.forward.r2(), 1 - c.forward.residual, 1e-12);
  // More columns than fitting images: perfect on the images it was fitted to, worse than the mean
  // on the others.
  const Comparison memorised =
      compare_features(labelled(normal_rows(50, 60, 3)), labelled(normal_rows(50, 2, 4)), {});
  EXPECT_GT(memorised.forward.residual, 1);
}

TEST(CompareFeatures, ResidualsOfTheClassesAddUpToTheWhole) {
  const Tensor x = normal_rows(600, 4, 5);
  Tensor y = x.clone();
  const Tensor noise = normal_rows(600, 4, 6);
  for (int64_t i = 0; i < 600; ++i) {  // only class 1 is noisy
    for (int64_t k = 0; k < 4; ++k) {
      if (i % 3 == 1) y.data<float>()[4 * i + k] += noise.data<float>()[4 * i + k];
    }
  }
  const TransportMeasures m = compare_features(labelled(x), labelled(y), {}).forward;
  ASSERT_EQ(m.per_class.size(), 3u);
  int64_t images = 0;
  for (const ClassResidual& c : m.per_class) images += c.images;
  EXPECT_EQ(images, 120);
  EXPECT_LT(m.per_class[0].residual, 0.02);
  EXPECT_GT(m.per_class[1].residual, 0.3);
  EXPECT_LT(m.per_class[2].residual, 0.02);
}

TEST(CompareFeatures, ARidgeShrinksTheMap) {
  const Tensor x = normal_rows(400, 3, 7);
  const auto residual = [&](double ridge) {
    return compare_features(labelled(x), labelled(x), {.ridge = ridge}).forward.residual;
  };
  EXPECT_LT(residual(0), 1e-9);
  EXPECT_NEAR(residual(320), 0.25, 0.05);  // ridge = N shrinks unit variances to one half
}

TEST(CompareFeatures, RefusesOptionsAndSetsThatDoNotFit) {
  const FeatureSet a = labelled(normal_rows(20, 3, 8));
  for (const double holdout : {0.0, 1.0, -0.5, std::nan("")}) {
    EXPECT_THROW(compare_features(a, a, {.holdout = holdout}), ConfigError) << holdout;
  }
  for (const double ridge : {-1.0, std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(compare_features(a, a, {.ridge = ridge}), ConfigError) << ridge;
  }
  EXPECT_THAT([&] { compare_features(a, labelled(normal_rows(21, 3, 8)), {}); },
              ThrowsMessage<DataError>(HasSubstr("20 images on one side, 21 on the other")));
  EXPECT_THAT([&] { compare_features(a, labelled(a.features, 2), {}); },
              ThrowsMessage<DataError>(HasSubstr("image 2 has label 2 on one side and 0")));
  EXPECT_THAT([&] { compare_features(a, a, {.holdout = 0.04}); },
              ThrowsMessage<DataError>(HasSubstr("leave 19 to fit and 1 to measure")));
  EXPECT_THAT(
      [&] {
        compare_features(a, labelled(Tensor::full({20, 2}, 3.0f)), {});
      },
      ThrowsMessage<DataError>(HasSubstr("are all equal")));
}

class FeatureFiles : public testing::Test {
 protected:
  std::string write(std::vector<SafetensorsTensor> tensors) {
    const std::string path = (folder_.path() / "f.safetensors").string();
    write_safetensors(path, tensors);
    return path;
  }
  SafetensorsTensor features(const Tensor& t) {
    return {"features", WireDtype::kF32, t.shape(), t.raw()};
  }
  SafetensorsTensor labels(const Tensor& t) {
    return {"labels", WireDtype::kI64, t.shape(), t.raw()};
  }

  TempDir folder_;
  FeatureSet set_ = labelled(normal_rows(6, 2, 9));
};

TEST_F(FeatureFiles, ComeBackAsWritten) {
  const FeatureSet back = read_features(write({features(set_.features), labels(set_.labels)}));
  EXPECT_TRUE(std::ranges::equal(back.features.span<float>(), set_.features.span<float>()));
  EXPECT_TRUE(std::ranges::equal(back.labels.span<int64_t>(), set_.labels.span<int64_t>()));
  EXPECT_EQ(back.num_classes, 3);
}

TEST_F(FeatureFiles, SayWhatIsMissingOrOdd) {
  const auto says = [](const char* text) { return ThrowsMessage<DataError>(HasSubstr(text)); };
  EXPECT_THAT([&] { read_features(write({labels(set_.labels)})); }, says("no tensor \"features\""));
  EXPECT_THAT([&] { read_features(write({features(set_.features)})); },
              says("no tensor \"labels\""));
  EXPECT_THAT(
      [&] {
        read_features(write({features(set_.features), labels(set_.labels.slice(0, 5))}));
      },
      says("labels I64 [5] for features [6, 2]"));
  EXPECT_THAT(
      [&] {
        read_features(write({features(set_.features.view({12})), labels(set_.labels)}));
      },
      says("features [12]"));
  set_.labels.data<int64_t>()[4] = -1;
  EXPECT_THAT(
      [&] {
        read_features(write({features(set_.features), labels(set_.labels)}));
      },
      says("label -1 of row 4"));
  set_.labels.data<int64_t>()[4] = 1;
  set_.features.data<float>()[3] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(read_features(write({features(set_.features), labels(set_.labels)})),
               NonFiniteError);
}

}  // namespace
}  // namespace rela::test
