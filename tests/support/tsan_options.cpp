// A race ends a test binary at once, with a distinct exit status.

extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=66:atexit_sleep_ms=0";
}

/// oneDNN's threads synchronise in OpenMP, which the sanitizer does not see: they are not checked.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "called_from_lib:libdnnl.so"; }
