#pragma once
// A matrix of floats in a file: filled block by block, in any order and by several processes; the
// system decides how much of it to keep in memory.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/io/file.h"

namespace rela {

/// Description of the file's contents.
struct RowFileSpec {
  int64_t rows = 0;
  int64_t width = 0;       // numbers per row
  int64_t block_rows = 0;  // rows written and checked together; the last block may be shorter
  std::string identity;    // text that identifies this matrix, at most kMaxIdentity bytes

  static constexpr int64_t kMaxIdentity = 3072;
  int64_t blocks() const { return block_rows == 0 ? 0 : (rows + block_rows - 1) / block_rows; }
  bool operator==(const RowFileSpec&) const = default;
};

/// Layout: 4096 bytes of header with a header checksum, a checksum per block (0: not written yet)
/// padded to 4096 bytes, then rows [rows, width] f32. Never mapped: a file that shrinks while it is
/// open, or a disk that fails, gives an IoError, not a signal. All reads and writes may throw it.
class RowFile {
 public:
  /// Creates a file in which no block is written yet; its space is reserved, so that a full disk is
  /// detected here. Replaces an older file of that name that check_replaceable() lets pass. Throws
  /// IoError.
  static RowFile create(const std::string& path, const RowFileSpec& spec);
  /// Throws IoError if there is something that never was a file of this kind: it could be anything
  /// that its owner wants to keep. An empty file may go.
  static void check_replaceable(const std::string& path);
  /// Opens an existing file to read or to continue writing. Empty if there is none; throws
  /// WeightsError, which says what is wrong, for a damaged file. Blocks are not checked: see
  /// block_is_good().
  static std::optional<RowFile> open(const std::string& path, FileAccess access);

  const std::string& path() const { return file_.path(); }
  const RowFileSpec& spec() const { return spec_; }

  /// The rows from `first`, as many as fit exactly into `out`, [n, width].
  void read_rows(int64_t first, std::span<float> out) const;
  /// The rows of a block, [block_rows or fewer, width].
  std::vector<float> read_block(int64_t index) const;
  int64_t rows_of_block(int64_t index) const;

  /// Throws IoError if someone has written to the file since it was opened.
  void check_unchanged() const;

  /// Whether the block is written and its checksum matches.
  bool block_is_good(int64_t index) const;
  /// The first bad block; empty if all are good.
  std::optional<int64_t> first_bad_block() const;

  /// Writes the block's rows, then their checksum.
  void write_block(int64_t index, std::span<const float> rows);
  /// Makes everything written durable.
  void sync();

 private:
  RowFile(RowFileSpec spec, InOutFile file);

  RowFileSpec spec_;
  InOutFile file_;
};

}  // namespace rela
