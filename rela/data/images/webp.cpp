#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "rela/data/images/codecs.h"
#include "runtime/error.h"

namespace rela {
namespace {

void check(VP8StatusCode status) {
  RELA_CHECK(status != VP8_STATUS_NOT_ENOUGH_DATA && status != VP8_STATUS_SUSPENDED, DataError,
             "WebP: the file is cut short");
  RELA_CHECK(status != VP8_STATUS_OUT_OF_MEMORY, OutOfMemoryError, "WebP: out of memory");
  RELA_CHECK(status == VP8_STATUS_OK, DataError, "WebP: the file is damaged (libwebp's status ",
             static_cast<int>(status), ")");
}

/// The first frame on its canvas.
void decode_animation(ImageBytes bytes, ImageDims dims, uint8_t* out) {
  WebPAnimDecoderOptions options;
  RELA_CHECK(WebPAnimDecoderOptionsInit(&options) != 0, InternalError, "WebP: libwebp's version");
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  uint8_t* rgba = nullptr;
  int timestamp = 0;
  WebPAnimInfo info{};
  const bool done = decoder != nullptr && WebPAnimDecoderGetInfo(decoder.get(), &info) != 0 &&
                    info.canvas_width == dims.width && info.canvas_height == dims.height &&
                    WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp) != 0;
  RELA_CHECK(done, DataError, "WebP: the animation is damaged or cut short");
  for (int64_t i = 0; i < dims.width * dims.height; ++i) {
    for (int64_t c = 0; c < 3; ++c) out[3 * i + c] = rgba[4 * i + c];
  }
}

}  // namespace

StoredImage decode_webp(ImageBytes bytes, std::vector<uint8_t>& pixels) {
  WebPDecoderConfig config;
  RELA_CHECK(WebPInitDecoderConfig(&config) != 0, InternalError, "WebP: libwebp's version");
  check(WebPGetFeatures(bytes.data(), bytes.size(), &config.input));
  const ImageDims dims{config.input.height, config.input.width};
  uint8_t* out = make_room(dims, pixels);
  if (config.input.has_animation != 0) {
    decode_animation(bytes, dims, out);
    return {dims, dims};
  }
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {.rgba = out,
                          .stride = static_cast<int>(3 * dims.width),
                          .size = static_cast<size_t>(3 * dims.width * dims.height)};
  const VP8StatusCode status = WebPDecode(bytes.data(), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  check(status);
  return {dims, dims};
}

}  // namespace rela
