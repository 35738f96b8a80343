#pragma once
// Fuzz targets: readers of photographs.

#include <string_view>

namespace rela::test {

/// A JPEG, PNG or WebP, at its size and reduced for small views.
void fuzz_image(std::string_view bytes);
/// A tar archive: its list and all its pictures.
void fuzz_tar(std::string_view bytes);
/// A packed data set: its list and all its pictures.
void fuzz_pack(std::string_view bytes);
/// A packed data set whose index holds the bytes, with checksums that agree: one byte for the
/// number of images, then the index.
void fuzz_pack_index(std::string_view bytes);

}  // namespace rela::test
