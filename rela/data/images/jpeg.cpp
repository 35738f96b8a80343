#include <csetjmp>
#include <cstdio>

#include "rela/data/images/codecs.h"
#include "rela/data/images/jpeg_errors.h"
#include "runtime/error.h"

#include <jerror.h>

namespace rela {
namespace {

constexpr int kMaxScans = 500;  // of a progressive file; more is an attack on our time

/// Warnings: that the data end too early is an error here.
void on_message(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) JpegErrors::fail(info);
}

void on_progress(j_common_ptr info) {
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= kMaxScans) return;
  JpegErrors& errors = JpegErrors::of(info);
  std::snprintf(errors.text, sizeof errors.text, "more than %d scans", kMaxScans);
  std::longjmp(errors.back, 1);
}

class Decoder {
 public:
  Decoder() {
    info_.err = errors_.lead();
    errors_.manager.emit_message = on_message;
    progress_.progress_monitor = on_progress;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  jpeg_decompress_struct& info() { return info_; }
  ImageDims dims() const { return {info_.output_height, info_.output_width}; }
  ImageDims stored() const { return {info_.image_height, info_.image_width}; }

  void read_header(ImageBytes bytes) { check(try_read_header(bytes)); }
  void start() { check(try_start()); }
  void read_rows(uint8_t* out) { check(try_read_rows(out)); }

 private:
  void check(bool done) const {
    RELA_CHECK(done, DataError, "JPEG: ", static_cast<const char*>(errors_.text));
  }

  bool try_read_header(ImageBytes bytes) {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes.data(), bytes.size());
    jpeg_read_header(&info_, TRUE);
    const bool four = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    return true;
  }
  bool try_start() {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_start_decompress(&info_);
    return true;
  }
  /// Rows of output_components bytes a pixel.
  bool try_read_rows(uint8_t* out) {
    if (setjmp(errors_.back) != 0) return false;
    const size_t stride = size_t{info_.output_width} * static_cast<size_t>(info_.output_components);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + info_.output_scanline * stride;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    return true;
  }

  JpegErrors errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
};

/// a b / 255, rounded.
uint32_t share(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Adobe's inverted CMYK, in place: 4 bytes a pixel become 3.
void cmyk_to_rgb(uint8_t* pixels, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t key = pixels[4 * i + 3];  // inverted: how much light is left
    for (int64_t c = 0; c < 3; ++c) {
      const uint32_t ink = 255U - pixels[4 * i + c];
      pixels[3 * i + c] = static_cast<uint8_t>(key - share(ink, key));
    }
  }
}

}  // namespace

StoredImage decode_jpeg(ImageBytes bytes, const EighthsFor& eighths, std::vector<uint8_t>& pixels) {
  Decoder decoder;
  decoder.read_header(bytes);
  const ImageDims stored = decoder.stored();
  check_dims(stored);
  const int scale = eighths(stored);
  decoder.info().scale_num = static_cast<unsigned>(scale);
  decoder.info().scale_denom = 8;
  decoder.start();
  const ImageDims dims = decoder.dims();
  const int64_t components = decoder.info().output_components;
  make_room(dims, pixels);
  const int64_t count = dims.height * dims.width;
  if (pixels.size() < static_cast<size_t>(components * count)) {
    pixels.resize(static_cast<size_t>(components * count));
  }
  decoder.read_rows(pixels.data());
  if (components == 4) cmyk_to_rgb(pixels.data(), count);
  return {dims, stored, scale};
}

}  // namespace rela
