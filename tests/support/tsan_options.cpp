// A race ends a test binary at once, with a status of its own.

extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=66:atexit_sleep_ms=0";
}

/// oneDNN's threads meet in OpenMP, which the sanitizer does not see: what they do is not looked
/// at.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "called_from_lib:libdnnl.so"; }
