#include "runtime/io/json.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace rela {
namespace {

using Nlohmann = nlohmann::json;  // the lexer, and the text of strings and doubles

/// The lexer's position. It has read the current token and, after a number, one more character.
struct Position {
  int line = 1;
  int column = 0;  // of the last character read
  char last = '\0';
};

/// Iterates over the text and counts lines and columns.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Position* position) : at_(at), position_(position) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (position_->last == '\n') {
      ++position_->line;
      position_->column = 0;
    }
    position_->last = *at_++;
    ++position_->column;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Position* position_;
};

/// Receives the parser's events and builds the tree.
class Builder {
 public:
  Builder(const Position& position, JsonLimits limits) : position_(position), limits_(limits) {}

  JsonValue take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) {
    return value <= INT64_MAX ? add(static_cast<int64_t>(value)) : add(value);
  }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Nlohmann::binary_t&) { return false; }  // not part of JSON text
  bool start_object(size_t) { return open(JsonValue::Object{}); }
  bool start_array(size_t) { return open(JsonValue::Array{}); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (!open_.back().keys.insert(name).second) fail(cat("key \"", name, "\" is there twice"));
    open_.back().container->as<JsonValue::Object>()->emplace_back(std::move(name), JsonValue());
    return true;
  }

  bool parse_error(size_t, const std::string&, const Nlohmann::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: <what we want>"
    std::string text = error.what();
    const size_t column = text.find(", column ");
    const size_t start = text.find(": ", column == std::string::npos ? 0 : column);
    if (column != std::string::npos && start != std::string::npos) {
      text.erase(0, start + 2);
    } else {
      text.erase(0, text.find("] ") + 2);
    }
    const bool is_comment =
        text.find("/'") != std::string::npos || text.find("#'") != std::string::npos;
    fail(is_comment ? text + "; JSON has no comments: \"_comment\": \"...\" is one in a config"
                    : text);
  }

 private:
  struct Open {
    JsonValue* container;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void fail(const std::string& message) const {
    throw JsonError(message, position_.line, position_.column);
  }

  JsonValue& place(JsonValue value) {
    if (++values_ > limits_.max_values) {
      fail(cat("more than ", limits_.max_values, " values; that many are not accepted"));
    }
    if (open_.empty()) return root_ = std::move(value);
    if (auto* array = open_.back().container->as<JsonValue::Array>()) {
      return array->emplace_back(std::move(value));
    }
    return open_.back().container->as<JsonValue::Object>()->back().second = std::move(value);
  }

  template <class T>
  bool add(T data) {
    place(JsonValue(std::move(data), position_.line));
    return true;
  }

  template <class T>
  bool open(T container) {
    if (static_cast<int>(open_.size()) == limits_.max_depth) {
      fail(cat("nested deeper than ", limits_.max_depth, " levels"));
    }
    // Growing a container moves only its closed children: an open child is always the last.
    open_.push_back({&place(JsonValue(std::move(container), position_.line)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const Position& position_;
  JsonLimits limits_;
  int64_t values_ = 0;
  JsonValue root_;
  std::vector<Open> open_;
};

/// Writes a tree as text. Containers of scalars only stay on one line.
class Printer {
 public:
  explicit Printer(JsonLayout layout) : indented_(layout == JsonLayout::kIndented) {}

  void print(const JsonValue& value, int depth) {
    if (const auto* object = value.as<JsonValue::Object>()) {
      print_items(*object, '{', '}', depth);
    } else if (const auto* array = value.as<JsonValue::Array>()) {
      print_items(*array, '[', ']', depth);
    } else {
      print_scalar(value);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  static bool is_scalar(const JsonValue& value) {
    return value.as<JsonValue::Object>() == nullptr && value.as<JsonValue::Array>() == nullptr;
  }
  static const JsonValue& value_of(const JsonValue& item) { return item; }
  static const JsonValue& value_of(const JsonValue::Member& item) { return item.second; }
  void print_key(const JsonValue&) {}
  void print_key(const JsonValue::Member& item) {
    text_ += Nlohmann(item.first).dump() + (indented_ ? ": " : ":");
  }

  template <class Items>
  void print_items(const Items& items, char begin, char end, int depth) {
    const bool is_flat = std::all_of(items.begin(), items.end(),
                                     [](const auto& item) { return is_scalar(value_of(item)); });
    const bool breaks_lines = indented_ && !is_flat;
    text_ += begin;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) text_ += breaks_lines || !indented_ ? "," : ", ";
      if (breaks_lines) start_line(depth + 1);
      print_key(items[i]);
      print(value_of(items[i]), depth + 1);
    }
    if (breaks_lines) start_line(depth);
    text_ += end;
  }

  void start_line(int depth) { text_.append("\n").append(2 * static_cast<size_t>(depth), ' '); }

  void print_scalar(const JsonValue& value) {
    if (const auto* text = value.as<std::string>()) {
      text_ += Nlohmann(*text).dump();
    } else if (const auto* real = value.as<double>()) {
      RELA_CHECK(std::isfinite(*real), Error, "json: ", *real,
                 " is not a JSON number; write it as text");
      text_ += Nlohmann(*real).dump();
    } else if (const auto* number = value.as<int64_t>()) {
      text_ += std::to_string(*number);
    } else if (const auto* large = value.as<uint64_t>()) {
      text_ += std::to_string(*large);
    } else if (const auto* boolean = value.as<bool>()) {
      text_ += *boolean ? "true" : "false";
    } else {
      text_ += "null";
    }
  }

  bool indented_;
  std::string text_;
};

}  // namespace

JsonValue::JsonValue(std::nullptr_t, int line) : data_(nullptr), line_(line) {}
JsonValue::JsonValue(bool value, int line) : data_(value), line_(line) {}
JsonValue::JsonValue(int64_t value, int line) : data_(value), line_(line) {}
JsonValue::JsonValue(uint64_t value, int line) : data_(value), line_(line) {}
JsonValue::JsonValue(double value, int line) : data_(value), line_(line) {}
JsonValue::JsonValue(std::string value, int line) : data_(std::move(value)), line_(line) {}
JsonValue::JsonValue(Array value, int line) : data_(std::move(value)), line_(line) {}
JsonValue::JsonValue(Object value, int line) : data_(std::move(value)), line_(line) {}
JsonValue::~JsonValue() = default;
JsonValue::JsonValue(JsonValue&& other) noexcept = default;
JsonValue& JsonValue::operator=(JsonValue&& other) noexcept = default;
JsonValue::JsonValue(const JsonValue& other) = default;
JsonValue& JsonValue::operator=(const JsonValue& other) = default;

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto* object = as<Object>();
  if (object == nullptr) return nullptr;
  for (const auto& [name, value] : *object) {
    if (name == key) return &value;
  }
  return nullptr;
}

JsonValue* JsonValue::find(std::string_view key) {
  return const_cast<JsonValue*>(std::as_const(*this).find(key));
}

void JsonValue::forget_lines() {
  line_ = 0;
  if (auto* object = as<Object>()) {
    for (auto& [key, member] : *object) member.forget_lines();
  } else if (auto* array = as<Array>()) {
    for (JsonValue& item : *array) item.forget_lines();
  }
}

JsonValue parse_json(std::string_view text, JsonLimits limits) {
  Position position;
  Builder builder(position, limits);
  CountingIterator begin(text.data(), &position);
  const CountingIterator end(text.data() + text.size(), &position);
  // The lexer treats a NUL byte as the end of the text and would ignore what follows.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    std::advance(begin, nul + 1);
    throw JsonError("a NUL byte", position.line, position.column);
  }
  Nlohmann::sax_parse(begin, end, &builder);
  return builder.take();
}

std::string to_json_text(const JsonValue& value, JsonLayout layout) {
  try {
    Printer printer(layout);
    printer.print(value, 0);
    return printer.take();
  } catch (const Nlohmann::exception&) {
    throw UsageError(
        "text that is not UTF-8, in a path or a name most likely, cannot be written as JSON; "
        "rename "
        "the file or folder, or reach it by a link");
  }
}

}  // namespace rela
