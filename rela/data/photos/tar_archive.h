#pragma once
// One tar archive, which may be a part of a file: archives lie in archives.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/io/file.h"

namespace rela {

/// A file in an archive.
struct TarMember {
  std::string path;    // without "./" and "/" before it
  int64_t offset = 0;  // of its data, in the file on disk
  int64_t bytes = 0;
  std::string link_to = {};  // the path of an earlier member whose data are this one's, too
};

/// Lists the members; their data are read from the file, at their offsets.
class TarArchive {
 public:
  /// `name`: of the archive, for messages. The file must outlive it. Throws DataError for what is
  /// no plain archive.
  TarArchive(const InputFile& file, int64_t begin, int64_t bytes, std::string name);
  ~TarArchive();
  TarArchive(const TarArchive&) = delete;
  TarArchive& operator=(const TarArchive&) = delete;

  /// The next regular file or hard link; none at the end, where a warning tells of symbolic links
  /// and of bytes that follow. Throws DataError for a damaged archive, and one with holes.
  std::optional<TarMember> next();

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

}  // namespace rela
