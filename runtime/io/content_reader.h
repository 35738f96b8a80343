#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io/file.h"

namespace rela {

/// What a file holds, front to back; a gzip file, known by its first bytes and not by its name, is
/// inflated. A gzip file may have several members.
class ContentReader {
 public:
  /// Throws IoError for a file that cannot be opened or read.
  explicit ContentReader(const std::string& path);
  ~ContentReader();
  ContentReader(const ContentReader&) = delete;
  ContentReader& operator=(const ContentReader&) = delete;

  const std::string& path() const { return file_.path(); }
  bool is_gzip() const { return inflater_ != nullptr; }
  /// No file of this size can hold more content: its size, or what deflate's best ratio gives.
  int64_t max_bytes() const;

  /// Up to `bytes` bytes; fewer only at the end. Throws DataError with path and byte offset for a
  /// gzip file that is cut short, damaged, or followed by something else, IoError as the file does.
  int64_t read(void* out, int64_t bytes);

 private:
  struct Inflater;
  int64_t inflate_some(uint8_t* out, int64_t bytes);
  bool next_member();
  bool refill();

  InputFile file_;
  int64_t offset_ = 0;  // of the file's next byte that has not been read
  std::vector<uint8_t> input_;
  std::unique_ptr<Inflater> inflater_;  // null for a plain file
};

}  // namespace rela
