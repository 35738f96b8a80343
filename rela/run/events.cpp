#include "rela/run/events.h"

namespace rela {
namespace {

/// Tries the alternatives of RunEvent from number I on.
template <size_t I = 0>
std::optional<RunEvent> read_event(const std::string& name, const JsonValue& line) {
  if constexpr (I < std::variant_size_v<RunEvent>) {
    using Event = std::variant_alternative_t<I, RunEvent>;
    if (name == Event::kName) return read_fields<Event>(line);
    return read_event<I + 1>(name, line);
  }
  return std::nullopt;
}

struct Headline {
  std::string operator()(const PhaseSwitchEvent& event) const { return event.phase; }
  std::string operator()(const WarningEvent& event) const { return event.message; }
  std::string operator()(const StopEvent& event) const { return event.reason; }
  template <class Event>
  std::string operator()(const Event& /*event*/) const {
    return "";
  }
};

}  // namespace

const char* name_of(const RunEvent& event) {
  return std::visit([](const auto& e) { return e.kName; }, event);
}

std::string headline(const RunEvent& event) { return std::visit(Headline(), event); }

JsonValue::Object to_json(const Logged<RunEvent>& logged) {
  JsonValue::Object line{{"event", name_of(logged.event)}};
  write_fields(logged.at, line);
  std::visit([&](const auto& event) { write_fields(event, line); }, logged.event);
  return line;
}

std::optional<Logged<RunEvent>> event_of(const JsonValue& line) {
  const JsonValue* step = line.find("step");
  if (step == nullptr || step->as<int64_t>() == nullptr) return std::nullopt;
  std::optional<RunEvent> event = read_event(member_or<std::string>(line, "event"), line);
  if (!event) return std::nullopt;
  return Logged<RunEvent>{read_fields<EventStamp>(line), *std::move(event)};
}

}  // namespace rela
