#pragma once
// Errors say what came in, what is allowed, and what to do. Nothing here ends the process.
//
// Text form: "<op or key path>: <what came in, with values and shapes>; <what is allowed>; <what to
// do>", lower case, no full stop.

#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>

namespace rela {

/// Exit codes of every program.
enum class ExitCode : int {
  kDone = 0,
  kInternal = 1,
  kUsage = 2,
  kWeights = 3,
  kNonFinite = 4,
  kIo = 5,
  kData = 6,
  kDistributed = 7,
  kDevice = 8,
  kStoppedBySignal = 75,  // EX_TEMPFAIL: a complete checkpoint exists, run again with --resume auto
};

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  virtual ExitCode exit_code() const noexcept { return ExitCode::kInternal; }
};

#define RELA_DEFINE_ERROR(Name, code)                                       \
  class Name : public Error {                                               \
   public:                                                                  \
    using Error::Error;                                                     \
    ExitCode exit_code() const noexcept override { return ExitCode::code; } \
  }

RELA_DEFINE_ERROR(InternalError, kInternal);    // a bug in rela
RELA_DEFINE_ERROR(ShapeError, kInternal);       // tensors that do not fit together
RELA_DEFINE_ERROR(DtypeError, kInternal);       // a dtype that the op does not take
RELA_DEFINE_ERROR(UsageError, kUsage);          // command line
RELA_DEFINE_ERROR(ConfigError, kUsage);         // config file; one line per mistake
RELA_DEFINE_ERROR(WeightsError, kWeights);      // weights or a checkpoint that do not fit
RELA_DEFINE_ERROR(NonFiniteError, kNonFinite);  // NaN, Inf or collapse
RELA_DEFINE_ERROR(IoError, kIo);                // disk full, unreadable, no such file
RELA_DEFINE_ERROR(DataError, kData);            // the data set is not what it claims to be
RELA_DEFINE_ERROR(DistributedError, kDistributed);
RELA_DEFINE_ERROR(DeviceError, kDevice);       // driver, library or GPU
RELA_DEFINE_ERROR(UnsupportedError, kDevice);  // not in this build or not on this device
RELA_DEFINE_ERROR(OutOfMemoryError, kDevice);

#undef RELA_DEFINE_ERROR

/// How a program that ends with this exception ends.
ExitCode exit_code_of(const std::exception& failure);
/// What it tells.
std::string message_of(const std::exception& failure);

/// Concatenates its arguments as text.
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

}  // namespace rela

/// Throws ErrorType with the concatenated message when the condition is false.
#define RELA_CHECK(condition, ErrorType, ...)                            \
  do {                                                                   \
    if (!(condition)) throw ::rela::ErrorType(::rela::cat(__VA_ARGS__)); \
  } while (0)
