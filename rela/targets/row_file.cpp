#include "rela/targets/row_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
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
int64_t file_bytes(const RowFileSpec& spec) {
  return rows_offset(spec) + spec.rows * spec.width * static_cast<int64_t>(sizeof(float));
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

struct FileDescriptor {
  int fd;
  ~FileDescriptor() { close(fd); }
};

uint8_t* map_file(const std::string& path, int64_t bytes, int open_flags, int protection) {
  const FileDescriptor file{::open(path.c_str(), open_flags | O_CLOEXEC)};
  RELA_CHECK(file.fd >= 0, IoError, path, ": cannot be opened: ", std::strerror(errno));
  void* data = mmap(nullptr, static_cast<size_t>(bytes), protection, MAP_SHARED, file.fd, 0);
  RELA_CHECK(data != MAP_FAILED, IoError, path, ": ", bytes,
             " bytes cannot be mapped: ", std::strerror(errno));
  return static_cast<uint8_t*>(data);
}

}  // namespace

RowFile::RowFile(std::string path, RowFileSpec spec, void* data, int64_t bytes)
    : path_(std::move(path)),
      spec_(std::move(spec)),
      data_(static_cast<uint8_t*>(data)),
      bytes_(bytes) {}

RowFile::RowFile(RowFile&& other) noexcept
    : path_(std::move(other.path_)),
      spec_(std::move(other.spec_)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(other.bytes_) {}

RowFile& RowFile::operator=(RowFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(spec_, other.spec_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

RowFile::~RowFile() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(bytes_));
}

void RowFile::check_replaceable(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return;
  const InputFile file(path);
  char magic[sizeof kMagic] = {};
  file.read_at(0, magic, std::min<int64_t>(file.size(), sizeof magic));
  constexpr size_t kAnyVersion = sizeof kMagic - 1;
  const char unwritten[sizeof kMagic] = {};
  RELA_CHECK(std::memcmp(magic, kMagic, kAnyVersion) == 0 ||
                 std::memcmp(magic, unwritten, sizeof magic) == 0,
             IoError, path,
             ": not a file of targets, so it is not overwritten; name another one in "
             "rela.targets_path, or move this one away");
}

RowFile RowFile::create(const std::string& path, const RowFileSpec& spec) {
  RELA_CHECK(static_cast<int64_t>(spec.identity.size()) <= RowFileSpec::kMaxIdentity, InternalError,
             "row file: an identity of ", spec.identity.size(), " bytes; at most ",
             RowFileSpec::kMaxIdentity);
  const int64_t bytes = file_bytes(spec);
  check_replaceable(path);
  unlink(path.c_str());  // processes that have mapped the older file keep it
  {
    const FileDescriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
    RELA_CHECK(file.fd >= 0, IoError, path, ": cannot be created: ", std::strerror(errno));
    const int failure = posix_fallocate(file.fd, 0, bytes);
    if (failure != 0) unlink(path.c_str());
    RELA_CHECK(failure == 0, IoError, path, ": ", bytes,
               " bytes cannot be reserved: ", std::strerror(failure));
  }
  RowFile out(path, spec, map_file(path, bytes, O_RDWR, PROT_READ | PROT_WRITE), bytes);
  const Header header = header_of(spec);
  std::memcpy(out.data_, &header, sizeof header);
  return out;
}

std::optional<RowFile> RowFile::open(const std::string& path, Access access) {
  if (::access(path.c_str(), F_OK) != 0) return std::nullopt;
  RowFileSpec spec = spec_of(InputFile(path));
  const int64_t bytes = file_bytes(spec);
  const bool writes = access == Access::kWrite;
  return RowFile(path, std::move(spec),
                 map_file(path, bytes, writes ? O_RDWR : O_RDONLY,
                          writes ? PROT_READ | PROT_WRITE : PROT_READ),
                 bytes);
}

std::span<const float> RowFile::row(int64_t index) const {
  const auto* rows = reinterpret_cast<const float*>(data_ + rows_offset(spec_));
  return {rows + index * spec_.width, static_cast<size_t>(spec_.width)};
}

std::span<const float> RowFile::block(int64_t index) const {
  const int64_t begin = index * spec_.block_rows;
  const int64_t count = std::min(spec_.block_rows, spec_.rows - begin);
  return {row(begin).data(), static_cast<size_t>(count * spec_.width)};
}

bool RowFile::block_is_good(int64_t index) const {
  const auto* signatures = reinterpret_cast<const uint64_t*>(data_ + kPage);
  if (signatures[index] == 0) return false;
  const std::span<const float> rows = block(index);
  return signatures[index] == checksum_of(rows.data(), static_cast<int64_t>(rows.size_bytes()));
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
  const std::span<const float> place = block(index);
  RELA_CHECK(rows.size() == place.size(), InternalError, "row file: block ", index, " takes ",
             place.size(), " numbers, not ", rows.size());
  auto* to = data_ + (reinterpret_cast<const uint8_t*>(place.data()) - data_);
  std::memcpy(to, rows.data(), rows.size_bytes());
  auto* signatures = reinterpret_cast<uint64_t*>(data_ + kPage);
  signatures[index] = checksum_of(rows.data(), static_cast<int64_t>(rows.size_bytes()));
}

void RowFile::sync() {
  RELA_CHECK(msync(data_, static_cast<size_t>(bytes_), MS_SYNC) == 0, IoError, path_,
             ": cannot be made durable: ", std::strerror(errno));
}

}  // namespace rela
