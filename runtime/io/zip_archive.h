#pragma once
// ZIP archives, read strictly (PKWARE APPNOTE 6.3): one disk, entries that do not overlap, sizes
// from the central directory, ZIP64. Nothing is unpacked to disk: names are only compared.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/file.h"

namespace rela {

struct ZipEntry {
  std::string name;
  bool is_deflated = false;  // else stored as it is
  uint32_t crc = 0;
  int64_t packed_bytes = 0;  // in the archive
  int64_t bytes = 0;         // unpacked
  int64_t offset = 0;        // of its first byte in the file
};

/// Throws WeightsError naming the file and what is wrong: damage, encryption, other methods than
/// stored and deflate, names with NUL or twice the same. The file must outlive it.
class ZipArchive {
 public:
  explicit ZipArchive(const InputFile& file);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the order of their bytes
  /// Null when there is none of that name.
  const ZipEntry* find(const std::string& name) const;
  /// An entry's contents, unpacked and checked against its CRC. Throws WeightsError for more than
  /// `max_bytes`.
  std::string read(const ZipEntry& entry, int64_t max_bytes) const;

 private:
  const InputFile& file_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, size_t> index_;
};

/// Whether a file that starts with these bytes is a ZIP archive that holds something.
bool is_zip(std::string_view start);

}  // namespace rela
