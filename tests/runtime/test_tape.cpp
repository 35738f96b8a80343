#include "runtime/tape.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "runtime/error.h"

namespace rela {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor values(std::initializer_list<float> v) {
  return Tensor::from(std::vector<float>(v), {static_cast<int64_t>(v.size())});
}

void write(Tensor& out, const Tensor& in, float factor, Write mode) {
  for (int64_t i = 0; i < out.numel(); ++i) {
    float& y = out.data<float>()[i];
    y = (mode == Write::kAccumulate ? y : 0.0f) + factor * in.data<float>()[i];
  }
}

/// y = factor * x, with an op that fills its gradient.
Var scale(const Var& x, float factor) {
  Tensor y = Tensor::empty(x.shape(), Dtype::kF32);
  write(y, x.value(), factor, Write::kOverwrite);
  return record("scale", y, {x}, [factor](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) { write(dx, dy, factor, mode); });
  });
}

/// y = a + b, with an op that hands its gradient over.
Var sum(const Var& a, const Var& b) {
  Tensor y = a.value().clone();
  write(y, b.value(), 1, Write::kAccumulate);
  return record("sum", y, {a, b}, [](const Tensor& dy, GradSink& to) {
    to.give(0, dy);
    to.give(1, dy);
  });
}

std::vector<float> gradient(const Var& p) {
  const auto g = parameter_grad(p).span<float>();
  return {g.begin(), g.end()};
}

TEST(Tape, DifferentiatesAChain) {
  const Var p = make_parameter(values({1, 2}));
  const Var y = scale(scale(p, 3), -2);
  EXPECT_THAT(y.value().span<float>(), ElementsAre(-6, -12));
  backward(y, values({1, 10}));
  EXPECT_THAT(gradient(p), ElementsAre(-6, -60));
}

TEST(Tape, AddsTheGradientsOfAllUses) {
  const Var p = make_parameter(values({1}));
  const Var h = scale(p, 2);
  backward(sum(sum(scale(h, 3), scale(h, 5)), h));
  EXPECT_THAT(gradient(p), ElementsAre(2 * (3 + 5 + 1)));
}

TEST(Tape, RunsANodeOnlyAfterAllItsConsumers) {
  // The short path reaches h first; its gradient must wait for the long one.
  const Var p = make_parameter(values({1}));
  const Var h = scale(p, 1);
  int runs = 0;
  const Var counted = record("count", h.value(), {h}, [&](const Tensor& dy, GradSink& to) {
    ++runs;
    EXPECT_EQ(dy.data<float>()[0], 9.0f);
    to.give(0, dy);
  });
  Var slow = counted;
  for (int i = 0; i < 3; ++i) slow = scale(slow, 2);
  backward(sum(slow, counted));
  EXPECT_EQ(runs, 1);
  EXPECT_THAT(gradient(p), ElementsAre(9));
}

TEST(Tape, GivesOneGradientToTwoInputsWithoutMixingThem) {
  // Both inputs of sum() get the same tensor; a then accumulates more, which b must not see.
  const Var pa = make_parameter(values({1})), pb = make_parameter(values({1}));
  const Var a = scale(pa, 1), b = scale(pb, 1);
  const Var early = scale(a, 10);  // recorded before sum(), so it adds to a's gradient after it
  backward(sum(sum(a, b), early));
  EXPECT_THAT(gradient(pa), ElementsAre(11));
  EXPECT_THAT(gradient(pb), ElementsAre(1));
}

TEST(Tape, AddsAValueToItself) {
  const Var p = make_parameter(values({1, 2}));
  const Var h = scale(p, 1);
  const Tensor dy = values({3, 4});
  backward(sum(h, h), dy);
  EXPECT_THAT(gradient(p), ElementsAre(6, 8));
  EXPECT_THAT(dy.span<float>(), ElementsAre(3, 4)) << "the caller's gradient is not ours to change";
}

TEST(Tape, GivesToParametersByCopy) {
  const Var p = make_parameter(values({1}));
  const Tensor dy = values({3});
  backward(sum(p, p), dy);
  EXPECT_THAT(gradient(p), ElementsAre(6));
  EXPECT_THAT(dy.span<float>(), ElementsAre(3));
}

TEST(Tape, WalksAndFreesVeryDeepChains) {
  constexpr int kDepth = 200'000;
  const Var p = make_parameter(values({1}));
  Var y = p;
  for (int i = 0; i < kDepth; ++i) y = scale(y, 1);
  backward(y);
  EXPECT_THAT(gradient(p), ElementsAre(1));
}

TEST(Tape, FreesVeryDeepChainsThatNeverRan) {
  constexpr int kDepth = 200'000;
  const Var p = make_parameter(values({1}));
  Var y = p;
  for (int i = 0; i < kDepth; ++i) y = sum(y, y);
  y = Var();
  EXPECT_EQ(p.value().data<float>()[0], 1);
}

TEST(Tape, AccumulatesOverBackwardCallsUntilZeroed) {
  const Var p = make_parameter(values({1}));
  backward(scale(p, 2));
  backward(scale(p, 3));
  EXPECT_THAT(gradient(p), ElementsAre(5));
  zero_grad(p);
  parameter_grad(p).data<float>()[0] = std::nanf("");  // stale: the first writer overwrites it
  backward(scale(p, 7));
  EXPECT_THAT(gradient(p), ElementsAre(7));
}

TEST(Tape, KeepsAParametersGradientInItsHome) {
  const Var p = make_parameter(values({1, 1}));
  Tensor arena = Tensor::zeros({5}, Dtype::kF32);
  p.node().grad = arena.segment(2, {2});
  backward(scale(p, 4), values({1, 2}));
  backward(sum(p, p), values({1, 1}));
  EXPECT_THAT(arena.span<float>(), ElementsAre(0, 0, 6, 10, 0));
}

TEST(Tape, RecordsNothingUnderNoGrad) {
  const Var p = make_parameter(values({1}));
  {
    const NoGradGuard outer;
    { const NoGradGuard inner; }
    EXPECT_TRUE(grad_disabled());
    EXPECT_FALSE(scale(p, 2).requires_grad());
  }
  EXPECT_FALSE(grad_disabled());
  EXPECT_TRUE(scale(p, 2).requires_grad());
}

TEST(Tape, StopsAtConstantsAndDetachedValues) {
  const Var p = make_parameter(values({2}));
  EXPECT_FALSE(scale(Var(values({1})), 3).requires_grad());
  const Var h = scale(p, 3);
  backward(sum(scale(h.detach(), 100), h));
  EXPECT_THAT(gradient(p), ElementsAre(3));
}

TEST(Tape, FiresAHookOnceAfterAllContributions) {
  const Var p = make_parameter(values({1}));
  std::vector<float> seen;
  set_grad_hook(p, [&](Tensor& g) {
    seen.push_back(g.data<float>()[0]);
    g.data<float>()[0] *= 10;
  });
  backward(sum(sum(scale(p, 1), scale(p, 2)), p));
  EXPECT_THAT(seen, ElementsAre(4));
  EXPECT_THAT(gradient(p), ElementsAre(40));
  zero_grad(p);
  backward(scale(p, 5));
  EXPECT_THAT(seen, ElementsAre(4, 5));
}

TEST(Tape, FiresHooksFromTheOutputBackwards) {
  const Var first = make_parameter(values({1})), last = make_parameter(values({1}));
  std::vector<std::string> order;
  set_grad_hook(first, [&](Tensor&) { order.emplace_back("first"); });
  set_grad_hook(last, [&](Tensor&) { order.emplace_back("last"); });
  Var h = scale(first, 1);
  for (int i = 0; i < 10; ++i) h = scale(h, 1);
  backward(sum(h, last));
  EXPECT_THAT(order, ElementsAre("last", "first"));
}

TEST(Tape, FreesWhatOpsSavedAsItGoes) {
  const Var p = make_parameter(values({1}));
  auto saved = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = saved;
  const Var y =
      record("saver", values({1}), {p},
             [kept = std::move(saved)](const Tensor& dy, GradSink& to) { to.give(0, dy); });
  EXPECT_FALSE(watch.expired());
  backward(y);
  EXPECT_TRUE(watch.expired());
  EXPECT_THAT(y.value().span<float>(), Each(1)) << "the value stays";
}

TEST(Tape, RefusesASecondWalkOverAReleasedPart) {
  const Var p = make_parameter(values({1}));
  const Var trunk = scale(p, 2);
  const Var loss_a = scale(trunk, 1), loss_b = scale(trunk, 1);
  backward(loss_a);
  EXPECT_THAT([&] { backward(loss_a); }, ThrowsMessage<InternalError>(HasSubstr("released")));
  EXPECT_THAT([&] { backward(loss_b); },
              ThrowsMessage<InternalError>(HasSubstr("scale below the output was released")));
}

TEST(Tape, UsesAReleasedValueAsAConstantInNewOps) {
  const Var p = make_parameter(values({1})), probe = make_parameter(values({1}));
  const Var features = scale(p, 2);
  backward(scale(features, 1));
  backward(sum(features, probe));
  EXPECT_THAT(gradient(p), ElementsAre(2));
  EXPECT_THAT(gradient(probe), ElementsAre(1));
}

TEST(Tape, NamesWhatIsWrongWithAnOutput) {
  const Var p = make_parameter(values({1, 2}));
  EXPECT_THAT([&] { backward(scale(p, 1)); },
              ThrowsMessage<ShapeError>(HasSubstr("output is f32 [2]; only a scalar")));
  EXPECT_THAT([&] { backward(scale(p, 1), values({1})); },
              ThrowsMessage<ShapeError>(HasSubstr("gradient f32 [1] for output f32 [2]")));
  EXPECT_THAT([&] { backward(Var(values({1}))); },
              ThrowsMessage<InternalError>(HasSubstr("nothing below the output")));
  EXPECT_THAT(
      [&] {
        backward(p, values({1, 2}));
      },
      ThrowsMessage<InternalError>(HasSubstr("the output is a parameter")));
}

TEST(Tape, RefusesGradientsOfAnotherTypeOrSize) {
  const Var p = make_parameter(values({1}));
  const auto giving = [&](const Tensor& dx) {
    return record("giver", values({1}), {p}, [dx](const Tensor&, GradSink& to) { to.give(0, dx); });
  };
  EXPECT_THAT([&] { backward(giving(Tensor::zeros({1}, Dtype::kBf16))); },
              ThrowsMessage<DtypeError>(HasSubstr("giver gives gradient bf16 [1]")));
  EXPECT_THAT([&] { backward(giving(Tensor::zeros({2}, Dtype::kF32))); },
              ThrowsMessage<ShapeError>(HasSubstr("giver gives gradient f32 [2]")));
}

TEST(Tape, KnowsMissingValuesAndGradients) {
  EXPECT_THROW((void)Var().value(), InternalError);
  EXPECT_THROW((void)parameter_grad(make_parameter(values({1}))), InternalError);
  EXPECT_THAT([] { make_parameter(Tensor::zeros({1}, Dtype::kBf16)); },
              ThrowsMessage<DtypeError>(HasSubstr("parameters are f32")));
}

TEST(Tape, ComputesWithTheCopyInTheOpsType) {
  const Var p = make_parameter(values({1}));
  EXPECT_EQ(compute_value(p, Dtype::kBf16).dtype(), Dtype::kF32) << "no copy: the value itself";
  p.node().compute_copy = Tensor::zeros({1}, Dtype::kBf16);
  EXPECT_EQ(compute_value(p, Dtype::kBf16).dtype(), Dtype::kBf16);
  EXPECT_EQ(compute_value(p, Dtype::kF32).dtype(), Dtype::kF32);
}

}  // namespace
}  // namespace rela
