#include "rela/programs/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <functional>

#include "rela/programs/build_report.h"
#include "runtime/error.h"
#include "runtime/io/nearest.h"

namespace rela {
namespace {

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* chosen : app.get_subcommands()) {
    for (const std::string& name : option_names(*chosen)) names.push_back(name);
  }
  return names;
}

/// Where an option is unknown, what follows is probably its value.
std::string explain_extras(const CLI::App& app) {
  std::vector<std::string> extras = app.remaining(/*recurse=*/true);
  const auto is_option = [](const std::string& extra) { return extra.starts_with("-"); };
  if (std::ranges::any_of(extras, is_option)) std::erase_if(extras, std::not_fn(is_option));
  std::string text;
  for (const std::string& extra : extras) {
    if (!text.empty()) text += '\n';
    text += extra + ": ";
    if (is_option(extra)) {
      if (extra.size() > 1 && std::isdigit(static_cast<unsigned char>(extra[1])) != 0) {
        text += "no option takes a negative number";
        continue;
      }
      const std::string near = nearest_word(extra.substr(0, extra.find('=')), option_names(app));
      text +=
          "unknown option; " + (near.empty() ? "--help lists them" : "did you mean " + near + "?");
    } else {
      text += "unexpected argument; --help shows the usage";
    }
  }
  return text;
}

/// What is wrong with the first argument as a subcommand; empty if nothing is.
std::string explain_subcommand(const CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> names;
  for (const CLI::App* known : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(known->get_name());
  const std::string given = argc > 1 ? argv[1] : "";
  if (names.empty() || given.empty() || std::ranges::count(names, given) > 0) return "";
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  const std::string near = nearest_word(given, names);
  return cat("\"", given, "\": ", near.empty() ? "" : cat("did you mean ", near, "? "),
             "the first argument is one of ", all);
}

std::string version_text() {
  const GpuFacts facts = gpu_facts();
  std::string text = build_report(facts) + kernel_reports(facts);
  text.pop_back();  // the parser ends the line
  return text;
}

/// CLI11's checks print the largest double in all its 309 digits.
CLI::Validator number_check(bool (*is_allowed)(double), const char* allowed, const char* name) {
  const auto check = [is_allowed, allowed](const std::string& text) -> std::string {
    double value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value);
    return is_number && std::isfinite(value) && is_allowed(value)
               ? ""
               : text + "; " + allowed + " is allowed";
  };
  return CLI::Validator(check, name, name);
}

/// CLI11 gives the largest number there is for a larger one.
CLI::Validator whole_number_check() {
  const auto check = [](const std::string& text) -> std::string {
    int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stop == end) return "";
    return text +
           (error == std::errc::result_out_of_range ? "; numbers of at most 18 digits"
                                                    : "; whole numbers") +
           " are allowed";
  };
  return CLI::Validator(check, "", "whole number");
}

CLI::Validator text_check() {
  const auto check = [](const std::string& text) -> std::string {
    return text.empty() ? "is empty; give it a value, or leave the option out" : "";
  };
  return CLI::Validator(check, "", "text");
}

/// `--` says that what follows are no options: where none looks like one, it says nothing.
std::vector<std::string> arguments(int argc, const char* const* argv) {
  std::vector<std::string> all(argv + 1, argv + argc);
  const auto dashes = std::find(all.begin(), all.end(), "--");
  const bool is_idle = std::none_of(dashes, all.end(), [](const std::string& text) {
    return text.starts_with("-") && text != "--";
  });
  if (dashes != all.end() && is_idle) all.erase(dashes);
  std::reverse(all.begin(), all.end());  // as CLI11 takes a vector
  return all;
}

}  // namespace

CommandLineOption& CommandLineOption::required() {
  option_->required();
  return *this;
}
CommandLineOption& CommandLineOption::show_default() {
  option_->capture_default_str();
  return *this;
}
CommandLineOption& CommandLineOption::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}
CommandLineOption& CommandLineOption::positive() {
  option_->check(number_check([](double x) { return x > 0; }, "a number above 0", "POSITIVE"));
  return *this;
}
CommandLineOption& CommandLineOption::not_negative() {
  option_->check(number_check([](double x) { return x >= 0; }, "0 or more", "NONNEGATIVE"));
  return *this;
}
CommandLineOption& CommandLineOption::between(int64_t least, int64_t most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    int64_t value = 0;
    const bool is_allowed =
        CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
    return is_allowed ? "" : cat(text, "; ", least, " to ", most, " are allowed");
  };
  const std::string range = cat("INT in [", least, " - ", most, "]");
  option_->check(CLI::Validator(check, range, range));
  return *this;
}

CommandLine::CommandLine(const std::string& description, const std::string& program)
    : owned_(std::make_unique<CLI::App>(description, program)), app_(owned_.get()) {
  app_->allow_extras();
}
CommandLine::CommandLine(CLI::App* subcommand) : app_(subcommand) { app_->allow_extras(); }
CommandLine::~CommandLine() = default;

CommandLineOption CommandLine::add(const std::string& names, const OptionValue& value,
                                   const std::string& help) {
  CLI::Option* option =
      std::visit([&](auto* target) { return app_->add_option(names, *target, help); }, value);
  const bool is_list = std::holds_alternative<std::vector<std::string>*>(value);
  if (is_list) option->allow_extra_args(false);
  if (is_list || std::holds_alternative<std::string*>(value)) {
    option->check(text_check());
  } else if (!std::holds_alternative<double*>(value)) {
    option->check(whole_number_check());
  }
  return CommandLineOption(option);
}

void CommandLine::add_flag(const std::string& names, bool& value, const std::string& help) {
  app_->add_flag(names, value, help);
}

CommandLine& CommandLine::add_subcommand(const std::string& name, const std::string& help) {
  app_->require_subcommand(1);
  subcommands_.push_back(
      std::unique_ptr<CommandLine>(new CommandLine(app_->add_subcommand(name, help))));
  return *subcommands_.back();
}

bool CommandLine::was_given() const { return app_->parsed(); }

std::vector<std::string> CommandLine::given_options() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : app_->parse_order()) {
    if (!option->get_lnames().empty()) names.push_back("--" + option->get_lnames().front());
  }
  return names;
}

bool CommandLine::parse(int argc, const char* const* argv) {
  app_->set_version_flag("--version", version_text);
  try {
    app_->parse(arguments(argc, argv));
  } catch (const CLI::CallForHelp& e) {
    std::fputs(app_->help().c_str(), stdout);
    return false;
  } catch (const CLI::CallForAllHelp& e) {
    std::fputs(app_->help("", CLI::AppFormatMode::All).c_str(), stdout);
    return false;
  } catch (const CLI::CallForVersion& e) {
    std::printf("%s\n", e.what());
    return false;
  } catch (const CLI::ParseError& e) {
    const std::string subcommand = explain_subcommand(*app_, argc, argv);
    RELA_CHECK(subcommand.empty(), UsageError, subcommand);
    const std::string unknown = explain_extras(*app_);  // an option that is missed may be misspelt
    RELA_CHECK(unknown.empty(), UsageError, unknown);
    throw UsageError(cat(e.what(), "; --help shows the usage"));
  }
  const std::string extras = explain_extras(*app_);
  RELA_CHECK(extras.empty(), UsageError, extras);
  return true;
}

}  // namespace rela
