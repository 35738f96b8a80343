#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "rela/data/images/codecs.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// libpng jumps back into the step that called it. Steps hold nothing that would need a destructor.
class Decoder {
 public:
  explicit Decoder(ImageBytes bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, [](png_structp, auto) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    RELA_CHECK(info_ != nullptr, OutOfMemoryError, "PNG: no memory for a decoder");
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  ImageDims dims() const {
    return {png_get_image_height(png_, info_), png_get_image_width(png_, info_)};
  }
  void read_header() { check(try_read_header()); }
  void start() { check(try_start()); }
  void read_rows(uint8_t* out) { check(try_read_rows(out)); }

 private:
  static void fail(png_structp png, png_const_charp message) {
    auto* self = static_cast<Decoder*>(png_get_error_ptr(png));
    std::snprintf(self->text_, sizeof self->text_, "%s", message);
    std::longjmp(self->back_, 1);
  }
  static void read(png_structp png, png_bytep out, size_t size) {
    auto* self = static_cast<Decoder*>(png_get_io_ptr(png));
    if (self->bytes_.size() - self->at_ < size) fail(png, "the file is cut short");
    std::memcpy(out, self->bytes_.data() + self->at_, size);
    self->at_ += size;
  }
  void check(bool done) const {
    RELA_CHECK(done, DataError, "PNG: ", static_cast<const char*>(text_));
  }

  bool try_read_header() {
    if (setjmp(back_) != 0) return false;
    png_set_read_fn(png_, this, read);
    // Texts, profiles and the like are passed over unread: some inflate to gigabytes.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_dims() has a better one
    png_read_info(png_, info_);
    return true;
  }
  bool try_start() {
    if (setjmp(back_) != 0) return false;
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    row_bytes_ = png_get_rowbytes(png_, info_);
    if (row_bytes_ != size_t{3} * png_get_image_width(png_, info_))
      fail(png_, "unknown row format");
    return true;
  }
  bool try_read_rows(uint8_t* out) {
    if (setjmp(back_) != 0) return false;
    for (pass_ = 0; pass_ < passes_; ++pass_) {
      for (row_ = 0; row_ < png_get_image_height(png_, info_); ++row_) {
        png_read_row(png_, out + row_ * row_bytes_, nullptr);
      }
    }
    png_read_end(png_, nullptr);
    return true;
  }

  ImageBytes bytes_;
  size_t at_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf back_{};
  char text_[200] = "";
  // Members, so that a jump back does not lose them.
  int passes_ = 1, pass_ = 0;
  size_t row_ = 0, row_bytes_ = 0;
};

}  // namespace

StoredImage decode_png(ImageBytes bytes, std::vector<uint8_t>& pixels) {
  Decoder decoder(bytes);
  decoder.read_header();
  const ImageDims dims = decoder.dims();
  check_dims(dims);
  decoder.start();
  decoder.read_rows(make_room(dims, pixels));
  return {dims, dims};
}

}  // namespace rela
