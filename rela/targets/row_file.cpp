#include "rela/targets/row_file.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

constexpr int64_t kPage = 4096;
constexpr char kMagic[8] = {'R', 'E', 'L', 'A', 'R', 'O', 'W', '2'};

/// The first page of the file.
struct Header {
  char magic[8];
  uint64_t checksum;  // of the rest of the header
  int64_t rows, width, block_rows, identity_bytes;
  char identity[RowFileSpec::kMaxIdentity];
};
static_assert(sizeof(Header) <= kPage);

uint64_t checksum_of(const void* data, int64_t bytes) {
  const uint64_t hash = content_hash(data, bytes);
  return hash == 0 ? 1 : hash;  // 0 marks a block that is not written
}

uint64_t checksum_of(const Header& header) {
  constexpr size_t kSigned = offsetof(Header, rows);
  return checksum_of(reinterpret_cast<const char*>(&header) + kSigned, sizeof(Header) - kSigned);
}

int64_t whole_pages(int64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

int64_t rows_offset(const RowFileSpec& spec) {
  return kPage + whole_pages(spec.blocks() * static_cast<int64_t>(sizeof(uint64_t)));
}
int64_t row_offset(const RowFileSpec& spec, int64_t row) {
  return rows_offset(spec) + row * spec.width * static_cast<int64_t>(sizeof(float));
}
int64_t file_bytes(const RowFileSpec& spec) { return row_offset(spec, spec.rows); }
int64_t checksum_offset(int64_t block) {
  return kPage + block * static_cast<int64_t>(sizeof(uint64_t));
}
int64_t bytes_of(std::span<const float> numbers) {
  return static_cast<int64_t>(numbers.size_bytes());
}

Header header_of(const RowFileSpec& spec) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.rows = spec.rows;
  header.width = spec.width;
  header.block_rows = spec.block_rows;
  header.identity_bytes = static_cast<int64_t>(spec.identity.size());
  std::memcpy(header.identity, spec.identity.data(), spec.identity.size());
  header.checksum = checksum_of(header);
  return header;
}

/// Throws WeightsError if it is not one of our headers.
RowFileSpec spec_of(const InputFile& file) {
  Header header{};
  const bool has_header = file.size() >= kPage;
  if (has_header) file.read_at(0, &header, sizeof header);
  RELA_CHECK(has_header && std::memcmp(header.magic, kMagic, sizeof kMagic) == 0, WeightsError,
             file.path(), ": not a file of targets");
  const bool is_sound = header.checksum == checksum_of(header) && header.rows >= 0 &&
                        header.width >= 0 && header.block_rows >= 0 && header.identity_bytes >= 0 &&
                        header.identity_bytes <= RowFileSpec::kMaxIdentity;
  RELA_CHECK(is_sound, WeightsError, file.path(), ": the header's checksum is wrong");
  RowFileSpec spec{header.rows, header.width, header.block_rows,
                   std::string(header.identity, static_cast<size_t>(header.identity_bytes))};
  RELA_CHECK(file.size() == file_bytes(spec), WeightsError, file.path(), ": ", file.size(),
             " bytes of ", file_bytes(spec));
  return spec;
}

}  // namespace

RowFile::RowFile(RowFileSpec spec, InOutFile file)
    : spec_(std::move(spec)), file_(std::move(file)) {}

void RowFile::check_replaceable(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return;
  const InputFile file(path);
  char magic[sizeof kMagic] = {};
  file.read_at(0, magic, std::min<int64_t>(file.size(), sizeof magic));
  constexpr size_t kAnyVersion = sizeof kMagic - 1;
  RELA_CHECK(file.size() == 0 || std::memcmp(magic, kMagic, kAnyVersion) == 0, IoError, path,
             ": not a file of targets, so it is not overwritten; name another one in "
             "rela.targets_path, or move this one away");
}

RowFile RowFile::create(const std::string& path, const RowFileSpec& spec) {
  RELA_CHECK(static_cast<int64_t>(spec.identity.size()) <= RowFileSpec::kMaxIdentity, InternalError,
             "row file: an identity of ", spec.identity.size(), " bytes; at most ",
             RowFileSpec::kMaxIdentity);
  check_replaceable(path);
  const Header header = header_of(spec);
  const std::string_view head(reinterpret_cast<const char*>(&header), sizeof header);
  return RowFile(spec, InOutFile::create(path, file_bytes(spec), head));
}

std::optional<RowFile> RowFile::open(const std::string& path, FileAccess access) {
  if (::access(path.c_str(), F_OK) != 0) return std::nullopt;
  InOutFile file(path, access);
  RowFileSpec spec = spec_of(file);
  return RowFile(std::move(spec), std::move(file));
}

int64_t RowFile::rows_of_block(int64_t index) const {
  return std::min(spec_.block_rows, spec_.rows - index * spec_.block_rows);
}

void RowFile::read_rows(int64_t first, std::span<float> out) const {
  file_.read_at(row_offset(spec_, first), out.data(), static_cast<int64_t>(out.size_bytes()));
}

void RowFile::check_unchanged() const {
  RELA_CHECK(!file_.has_changed(), IoError, path(),
             ": was written to while it was read; go on with --resume auto, which checks it");
}

std::vector<float> RowFile::read_block(int64_t index) const {
  std::vector<float> rows(static_cast<size_t>(rows_of_block(index) * spec_.width));
  read_rows(index * spec_.block_rows, rows);
  return rows;
}

bool RowFile::block_is_good(int64_t index) const {
  uint64_t checksum = 0;
  file_.read_at(checksum_offset(index), &checksum, sizeof checksum);
  if (checksum == 0) return false;
  const std::vector<float> rows = read_block(index);
  return checksum == checksum_of(rows.data(), bytes_of(rows));
}

std::optional<int64_t> RowFile::first_bad_block() const {
  std::atomic<int64_t> first = spec_.blocks();
  parallel_for(spec_.blocks(), [&](int64_t b) {
    if (b >= first.load() || block_is_good(b)) return;
    int64_t known = first.load();
    while (b < known && !first.compare_exchange_weak(known, b)) {
    }
  });
  if (first.load() == spec_.blocks()) return std::nullopt;
  return first.load();
}

void RowFile::write_block(int64_t index, std::span<const float> rows) {
  const auto wanted = static_cast<size_t>(rows_of_block(index) * spec_.width);
  RELA_CHECK(rows.size() == wanted, InternalError, "row file: block ", index, " takes ", wanted,
             " numbers, not ", rows.size());
  file_.write_at(row_offset(spec_, index * spec_.block_rows), rows.data(), bytes_of(rows));
  const uint64_t checksum = checksum_of(rows.data(), bytes_of(rows));
  file_.write_at(checksum_offset(index), &checksum, sizeof checksum);
}

void RowFile::sync() { file_.sync(); }

}  // namespace rela
