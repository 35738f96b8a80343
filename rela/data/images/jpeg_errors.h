#pragma once

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it

#include <jpeglib.h>

namespace rela {

/// libjpeg ends the process on errors unless it is led elsewhere: it jumps back into the step that
/// called it. Steps hold nothing that would need a destructor.
struct JpegErrors {
  jpeg_error_mgr manager;  // first: libjpeg hands out a pointer to it
  std::jmp_buf back;
  char text[JMSG_LENGTH_MAX];

  /// To be put into `err` of a codec's info; says nothing on the terminal.
  jpeg_error_mgr* lead() {
    jpeg_std_error(&manager);
    manager.error_exit = fail;
    manager.output_message = [](j_common_ptr) {};
    return &manager;
  }
  static JpegErrors& of(j_common_ptr info) { return *reinterpret_cast<JpegErrors*>(info->err); }
  [[noreturn]] static void fail(j_common_ptr info) {
    JpegErrors& errors = of(info);
    info->err->format_message(info, errors.text);
    std::longjmp(errors.back, 1);
  }
};

}  // namespace rela
