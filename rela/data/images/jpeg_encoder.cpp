#include <csetjmp>
#include <cstdlib>

#include "rela/data/images/encode.h"
#include "rela/data/images/jpeg_errors.h"
#include "runtime/error.h"

namespace rela {
namespace {

class Encoder {
 public:
  Encoder() { info_.err = errors_.lead(); }
  ~Encoder() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  std::vector<uint8_t> encode(const ImageView& image, int quality) {
    RELA_CHECK(try_encode(image, quality), DataError,
               "JPEG: ", static_cast<const char*>(errors_.text));
    return {bytes_, bytes_ + size_};
  }

 private:
  /// Holds nothing that would need a destructor: libjpeg jumps back into it.
  bool try_encode(const ImageView& image, int quality) {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &bytes_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.dims.width);
    info_.image_height = static_cast<JDIMENSION>(image.dims.height);
    info_.input_components = 3;
    info_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    for (int c = 0; c < info_.num_components; ++c) {
      info_.comp_info[c].h_samp_factor = info_.comp_info[c].v_samp_factor = 1;
    }
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row =
          const_cast<JSAMPROW>(image.pixels) + size_t{3} * info_.image_width * info_.next_scanline;
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  JpegErrors errors_{};
  jpeg_compress_struct info_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<uint8_t> encode_jpeg(const ImageView& image, int quality) {
  return Encoder().encode(image, quality);
}

}  // namespace rela
