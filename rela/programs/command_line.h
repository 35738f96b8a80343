#pragma once
// The options of a program. Only command_line.cpp includes CLI11, which takes seconds to compile.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace rela {

/// Where an option's value goes.
using OptionValue = std::variant<std::string*, std::vector<std::string>*, int64_t*, uint64_t*,
                                 double*, std::optional<int64_t>*>;

/// An option, to be described further.
class CommandLineOption {
 public:
  explicit CommandLineOption(CLI::Option* option) : option_(option) {}

  CommandLineOption& required();
  CommandLineOption& show_default();                      // the value so far, in --help
  CommandLineOption& type_name(const std::string& name);  // in --help, instead of TEXT
  CommandLineOption& positive();                          // others are usage errors
  CommandLineOption& not_negative();
  CommandLineOption& between(int64_t least, int64_t most);

 private:
  CLI::Option* option_;
};

/// A program's command line, or that of a subcommand.
class CommandLine {
 public:
  CommandLine(const std::string& description, const std::string& program);
  ~CommandLine();

  /// `names` as in "-q,--quiet", or "TABLE" for an argument by position. A vector takes one value
  /// each time that the option is given. The value must outlive parse().
  template <class T>
  CommandLineOption add_option(const std::string& names, T& value, const std::string& help) {
    return add(names, &value, help);
  }
  void add_flag(const std::string& names, bool& value, const std::string& help);

  /// Adds a subcommand; exactly one must be given then. Lives as long as this.
  CommandLine& add_subcommand(const std::string& name, const std::string& help);
  /// Whether parse() met this subcommand.
  bool was_given() const;
  /// After parse(): the options that were given, by their long names, in the order on the command
  /// line; one given several times appears as often.
  std::vector<std::string> given_options() const;

  /// Parses argv. --help and --version print on stdout and give false: nothing is left to do. Wrong
  /// usage throws UsageError; an unknown option names the nearest one.
  bool parse(int argc, const char* const* argv);

 private:
  explicit CommandLine(CLI::App* subcommand);
  CommandLineOption add(const std::string& names, const OptionValue& value,
                        const std::string& help);

  std::unique_ptr<CLI::App> owned_;  // none: a subcommand
  CLI::App* app_;
  std::vector<std::unique_ptr<CommandLine>> subcommands_;
};

}  // namespace rela
