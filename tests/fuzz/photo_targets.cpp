#include "tests/fuzz/photo_targets.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "rela/data/images/decode.h"
#include "rela/data/photos/pack_file.h"
#include "rela/data/photos/tar_shards.h"
#include "runtime/error.h"
#include "runtime/io/hash.h"
#include "tests/fuzz/memory_file.h"

namespace rela::test {
namespace {

constexpr int64_t kMostPixels = 1 << 22;  // larger pictures are sound, and slow

template <class Body>
void refuse_or_read(Body body) {
  try {
    body();
  } catch (const DataError&) {  // NOLINT(bugprone-empty-catch): a refusal is fine
  } catch (const IoError&) {    // NOLINT(bugprone-empty-catch)
  }
}

/// The number that begins there, with the last byte first.
uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i)
    number = number << 8 | static_cast<uint8_t>(bytes[at + i]);
  return number;
}

/// Whether a picture says that it is huge: a PNG's sides follow its signature.
bool is_slow(std::string_view bytes) {
  return bytes.starts_with("\x89PNG") &&
         uint64_t{number_at(bytes, 16)} * number_at(bytes, 20) > kMostPixels;
}

void decode(std::string_view bytes) {
  if (is_slow(bytes)) return;
  const auto* begin = reinterpret_cast<const uint8_t*>(bytes.data());
  std::vector<uint8_t> pixels;
  refuse_or_read([&] { decode_image({begin, bytes.size()}, pixels); });
  refuse_or_read([&] {
    decode_image({begin, bytes.size()}, pixels, [](ImageDims) { return 0.25; });
  });
}

void decode_all(const PhotoIndex& index, const PhotoBytes& images) {
  constexpr int64_t kMost = 20;
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < std::min(index.size(), kMost); ++i) {
    refuse_or_read([&] {
      const auto image = images.read(index, i, buffer);
      decode({reinterpret_cast<const char*>(image.data()), image.size()});
    });
  }
}

void append_number(std::string& to, uint64_t number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

}  // namespace

void fuzz_image(std::string_view bytes) { decode(bytes); }

void fuzz_tar(std::string_view bytes) {
  const MemoryFile file(bytes);
  refuse_or_read([&] {
    const PhotoIndex index = list_tars({file.path()});
    decode_all(index, *bytes_in_files(index));
  });
}

void fuzz_pack(std::string_view bytes) {
  const MemoryFile file(bytes);
  refuse_or_read([&] {
    const PackedPhotos packed = open_pack(file.path());
    decode_all(packed.index, *packed.bytes);
  });
}

void fuzz_pack_index(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto images = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  std::string file = "RELAPACK";
  append_number(file, 1);  // version
  file += std::string(100, 'x');
  const uint64_t begin = file.size();
  file += bytes;
  file += "RELAPACK";
  append_number(file, 1);
  append_number(file, begin);
  append_number(file, bytes.size());
  append_number(file, content_hash(bytes.data(), static_cast<int64_t>(bytes.size())));
  append_number(file, images);
  fuzz_pack(file);
}

}  // namespace rela::test
