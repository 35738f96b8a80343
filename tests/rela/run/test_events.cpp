#include "rela/run/events.h"

#include <gmock/gmock.h>

#include <cmath>

namespace rela {
namespace {

/// Gives every field another value.
class Filler {
 public:
  void operator()(const char* name, std::string& value) { value = cat(name, " ", ++count_); }
  void operator()(const char* /*name*/, int64_t& value) { value = ++count_; }
  void operator()(const char* /*name*/, double& value) {
    value = 1.0 / static_cast<double>(++count_);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& value) {
    (*this)(name, value.emplace());
  }

 private:
  int64_t count_ = 1;
};

std::optional<Logged<RunEvent>> round_trip(const Logged<RunEvent>& logged) {
  return event_of(parse_json(to_json_text(to_json(logged), JsonLayout::kCompact)));
}

template <class Event>
class EveryEvent : public testing::Test {};

template <class Variant>
struct TypesOf;
template <class... Event>
struct TypesOf<std::variant<Event...>> {
  using Types = testing::Types<Event...>;
};
TYPED_TEST_SUITE(EveryEvent, TypesOf<RunEvent>::Types);

TYPED_TEST(EveryEvent, IsReadAsItWasWritten) {
  Logged<TypeParam> filled;
  Filler fill;
  EventStamp::fields(filled.at, fill);
  TypeParam::fields(filled.event, fill);
  const Logged<RunEvent> logged{filled.at, filled.event};
  EXPECT_EQ(round_trip(logged), logged);
  EXPECT_STREQ(name_of(logged.event), TypeParam::kName);
}

TYPED_TEST(EveryEvent, OfWhichALineTellsNothingIsReadAllTheSame) {
  const auto bare = event_of(parse_json(cat(R"({"step":3,"event":")", TypeParam::kName, "\"}")));
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ(bare->at.step, 3);
  EXPECT_TRUE(std::holds_alternative<TypeParam>(bare->event));
}

std::string line_of(const RunEvent& event) {
  const EventStamp at{.step = 7, .epoch = 1, .time = 2.5, .elapsed_s = 0.5};
  return to_json_text(to_json({at, event}), JsonLayout::kCompact);
}

TEST(Events, LinesHaveTheirMembersInAFixedOrder) {
  const std::string stamp = R"(,"step":7,"epoch":1,"time":2.5,"elapsed_s":0.5,)";
  EXPECT_EQ(
      line_of(PhaseSwitchEvent{.phase = "byol", .slow = 1, .fast = 0.5, .rho = 0.25}),
      R"({"event":"phase_switch")" + stamp + R"("phase":"byol","slow":1.0,"fast":0.5,"rho":0.25})");
  EXPECT_EQ(line_of(EvalEvent{.protocol = "online_linear",
                              .top1 = 0.5,
                              .correct = 1,
                              .total = 2,
                              .test_fingerprint = "ab"}),
            R"({"event":"eval")" + stamp +
                R"("protocol":"online_linear","top1":0.5,"correct":1,"total":2,)"
                R"("test_fingerprint":"ab"})");
  EXPECT_EQ(line_of(TrainEvent{.phase = "rela",
                               .loss = 1,
                               .lr = 2,
                               .tau = 3,
                               .grad_norm = HUGE_VAL,
                               .feature_std = std::nan(""),
                               .img_per_s = 4,
                               .iter_ms = 5,
                               .data_wait = 6,
                               .system_allocations = 7,
                               .rho = 8}),
            R"({"event":"train")" + stamp +
                R"("phase":"rela","loss":1.0,"lr":2.0,"tau":3.0,"grad_norm":"inf",)"
                R"("feature_std":"nan","img_per_s":4.0,"iter_ms":5.0,"data_wait":6.0,)"
                R"("system_allocations":7,"rho":8.0})");
}

TEST(Events, NonFiniteNumbersComeBack) {
  const auto read = round_trip({{}, TrainEvent{.loss = -HUGE_VAL, .grad_norm = HUGE_VAL}});
  const auto& train = std::get<TrainEvent>(read.value().event);
  EXPECT_EQ(train.loss, -HUGE_VAL);
  EXPECT_EQ(train.grad_norm, HUGE_VAL);
  EXPECT_TRUE(std::isnan(train.tau));
}

TEST(Events, TheHeadlineIsWhatAPersonIsTold) {
  EXPECT_EQ(headline(PhaseSwitchEvent{.phase = "byol"}), "byol");
  EXPECT_EQ(headline(WarningEvent{.message = "slow"}), "slow");
  EXPECT_EQ(headline(StopEvent{.reason = "finished", .phase = "byol"}), "finished");
  EXPECT_EQ(headline(StartEvent{.facts = {.phase = "rela"}}), "");
}

}  // namespace
}  // namespace rela
