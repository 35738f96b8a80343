#include "runtime/io/safetensors.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "runtime/io/file_kind.h"
#include "runtime/io/json.h"
#include "runtime/io/quoted.h"
#include "runtime/io/safetensors_format.h"

namespace rela {
namespace {

using namespace safetensors_format;

std::string known_dtypes() {
  std::string names;
  for (const WireDtype dtype : all_wire_dtypes()) {
    names += cat(names.empty() ? "" : ", ", wire_dtype_name(dtype));
  }
  return names;
}

/// Turns a header into entries; every error names the file and the tensor.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, int64_t buffer_start)
      : path_(path), buffer_start_(buffer_start) {}

  SafetensorsMetadata metadata(const JsonValue& value) const {
    const auto* object = value.as<JsonValue::Object>();
    check(object != nullptr, kMetadataKey, " is not an object; it maps text to text");
    SafetensorsMetadata metadata;
    for (const auto& [key, member] : *object) {
      const auto* text = member.as<std::string>();
      check(text != nullptr, kMetadataKey, " ", quoted(key), " is not text; all values must be");
      metadata.emplace(key, *text);
    }
    return metadata;
  }

  WeightsEntry entry(const std::string& name, const JsonValue& value) const {
    check(name.size() <= kMaxNameBytes, "a tensor's name has ", name.size(), " bytes; at most ",
          kMaxNameBytes, " are accepted");
    const std::string tensor = cat("tensor ", quoted(name), ": ");
    const auto* object = value.as<JsonValue::Object>();
    check(object != nullptr, tensor, "not an object; dtype, shape and data_offsets are expected");
    for (const auto& [key, member] : *object) {
      const bool is_known = key == "dtype" || key == "shape" || key == "data_offsets";
      check(is_known, tensor, "unknown field ", quoted(key),
            "; dtype, shape and data_offsets are allowed");
    }
    WeightsEntry entry;
    entry.name = name;
    entry.dtype = dtype(tensor, value.find("dtype"));
    entry.shape = Shape(integers(tensor, "shape", value.find("shape")));
    const std::vector<int64_t> offsets =
        integers(tensor, "data_offsets", value.find("data_offsets"));
    check(offsets.size() == 2, tensor, "data_offsets has ", offsets.size(),
          " numbers; begin and end are expected");
    check(offsets[0] <= offsets[1], tensor, "data_offsets [", offsets[0], ", ", offsets[1],
          "] end before they begin");
    entry.bytes = offsets[1] - offsets[0];
    check(!__builtin_add_overflow(offsets[0], buffer_start_, &entry.offset), tensor,
          "data_offsets begin at ", offsets[0], ", beyond any file");
    check_size(tensor, entry);
    return entry;
  }

  template <class... Args>
  void check(bool condition, const Args&... args) const {
    if (!condition) throw WeightsError(cat(path_, ": ", args...));
  }

 private:
  WireDtype dtype(const std::string& tensor, const JsonValue* value) const {
    check(value != nullptr, tensor, "dtype is missing");
    const auto* text = value->as<std::string>();
    check(text != nullptr, tensor, "dtype is not text");
    for (const WireDtype dtype : all_wire_dtypes()) {
      if (*text == wire_dtype_name(dtype)) return dtype;
    }
    throw WeightsError(cat(path_, ": ", tensor, "dtype ", quoted(*text),
                           " is not supported; known are ", known_dtypes()));
  }

  std::vector<int64_t> integers(const std::string& tensor, const char* field,
                                const JsonValue* value) const {
    check(value != nullptr, tensor, field, " is missing");
    const auto* array = value->as<JsonValue::Array>();
    check(array != nullptr, tensor, field, " is not an array of integers");
    check(array->size() <= Shape::kMaxRank, tensor, field, " has ", array->size(),
          " numbers; at most ", Shape::kMaxRank, " are accepted");
    std::vector<int64_t> numbers;
    for (const JsonValue& item : *array) {
      const auto* number = item.as<int64_t>();
      check(number != nullptr && *number >= 0, tensor, field,
            " holds something else than integers from 0 to 2^63 - 1");
      numbers.push_back(*number);
    }
    return numbers;
  }

  void check_size(const std::string& tensor, const WeightsEntry& entry) const {
    int64_t bits = wire_dtype_bits(entry.dtype);
    for (const int64_t size : entry.shape.dims()) {
      check(!__builtin_mul_overflow(bits, size, &bits), tensor, "shape ", entry.shape,
            " has more elements than any file can hold");
    }
    check(bits % 8 == 0, tensor, "shape ", entry.shape, " of ", wire_dtype_name(entry.dtype),
          " does not fill whole bytes");
    check(bits / 8 == entry.bytes, tensor, "shape ", entry.shape, " of ",
          wire_dtype_name(entry.dtype), " needs ", bits / 8, " bytes, but data_offsets hold ",
          entry.bytes);
  }

  const std::string& path_;
  int64_t buffer_start_;
};

/// Throws for a file that cannot be of this format: because it is of another, if that is known,
/// else with the reason.
[[noreturn]] void refuse(const InputFile& file, const std::string& reason) {
  std::string start(static_cast<size_t>(std::min<int64_t>(file.size(), 512)), '\0');
  file.read_at(0, start.data(), static_cast<int64_t>(start.size()));
  const std::string kind = weights_mistaken_for(start);
  throw WeightsError(cat(file.path(), ": ", kind.empty() ? reason : "this is " + kind));
}

/// The header's text, without its padding. Nothing is allocated before the length is checked
/// against the file size.
std::string read_header(const InputFile& file) {
  if (file.size() < kLengthBytes)
    refuse(file,
           cat(file.size(), " bytes; a safetensors file starts with an 8-byte header length"));
  std::array<uint8_t, kLengthBytes> raw;
  file.read_at(0, raw.data(), kLengthBytes);
  uint64_t length = 0;
  for (size_t i = raw.size(); i-- > 0;) length = length << 8 | raw[i];
  if (length > kMaxHeaderBytes) {
    refuse(file, cat("header of ", length, " bytes; at most ", kMaxHeaderBytes,
                     " are accepted: this is no safetensors file"));
  }
  const auto bytes = static_cast<int64_t>(length);
  if (bytes > file.size() - kLengthBytes) {
    refuse(file, cat("header of ", bytes, " bytes in a file of ", file.size(),
                     "; the file is cut short or damaged"));
  }
  std::string header(length, '\0');
  file.read_at(kLengthBytes, header.data(), bytes);
  const size_t first = header.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || header[first] != '{')
    refuse(file, "the header does not start with '{'; this is no safetensors file");
  return header;
}

JsonValue parse_header(const std::string& path, const std::string& header) {
  try {
    return parse_json(header, {.max_depth = kMaxHeaderDepth, .max_values = kMaxHeaderValues});
  } catch (const JsonError& error) {
    throw WeightsError(cat(path, ": malformed header: ", error.what()));
  }
}

/// The buffer must be covered from its first byte to the file's last, without holes or overlaps.
void check_coverage(const InputFile& file, int64_t buffer_start,
                    const std::vector<WeightsEntry>& entries, TrailingBytes trailing) {
  int64_t end = buffer_start;
  for (const WeightsEntry& entry : entries) {
    RELA_CHECK(entry.offset == end, WeightsError, file.path(), ": tensor ", quoted(entry.name),
               ": begins at ", entry.offset - buffer_start, " where ", end - buffer_start,
               " is expected; tensors may leave no gap and not overlap");
    RELA_CHECK(entry.bytes <= file.size() - end, WeightsError, file.path(), ": tensor ",
               quoted(entry.name), ": ends at byte ", entry.offset - buffer_start + entry.bytes,
               " of ", file.size() - buffer_start, "; the file is cut short or damaged");
    end += entry.bytes;
  }
  RELA_CHECK(trailing == TrailingBytes::kIgnore || end == file.size(), WeightsError, file.path(),
             ": ", file.size() - end, " bytes after the last tensor; none are allowed");
}

std::string not_a_folder(std::string path) {
  std::error_code failure;  // is reported when the file is opened
  RELA_CHECK(!std::filesystem::is_directory(path, failure), WeightsError, path,
             ": this is a folder; name the safetensors file in it");
  return path;
}

}  // namespace

SafetensorsReader::SafetensorsReader(std::string path, TrailingBytes trailing)
    : WeightsFile(path), file_(not_a_folder(std::move(path))) {
  const std::string header = read_header(file_);
  const int64_t buffer_start = kLengthBytes + static_cast<int64_t>(header.size());
  const JsonValue root = parse_header(file_.path(), header);
  const HeaderReader reader(file_.path(), buffer_start);
  std::vector<WeightsEntry> entries;
  for (const auto& [name, value] : *root.as<JsonValue::Object>()) {
    if (name == kMetadataKey) {
      metadata_ = reader.metadata(value);
    } else {
      entries.push_back(reader.entry(name, value));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });
  check_coverage(file_, buffer_start, entries, trailing);
  set_entries(std::move(entries));
}

void SafetensorsReader::read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const {
  file_.read_at(entries()[index].offset + first, out, bytes);
}

}  // namespace rela
