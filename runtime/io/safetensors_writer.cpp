#include <algorithm>
#include <array>
#include <utility>

#include "runtime/error.h"
#include "runtime/io/json.h"
#include "runtime/io/quoted.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/safetensors_format.h"

namespace rela {
namespace {

using namespace safetensors_format;

struct Placed {
  const SafetensorsTensor* tensor;
  int64_t bytes;
};

int64_t bytes_of(const std::string& path, const SafetensorsTensor& tensor) {
  const int64_t bits = tensor.shape.numel() * wire_dtype_bits(tensor.dtype);
  RELA_CHECK(bits % 8 == 0, WeightsError, path, ": tensor ", quoted(tensor.name), ": shape ",
             tensor.shape, " of ", wire_dtype_name(tensor.dtype), " does not fill whole bytes");
  RELA_CHECK(bits == 0 || tensor.data != nullptr, InternalError, path, ": tensor ",
             quoted(tensor.name), ": no data for shape ", tensor.shape);
  return bits / 8;
}

/// Widest elements first: if the start is aligned, every tensor is then aligned to its element
/// size.
std::vector<Placed> in_file_order(const std::string& path,
                                  std::span<const SafetensorsTensor> tensors) {
  std::vector<Placed> placed;
  for (const SafetensorsTensor& tensor : tensors) {
    RELA_CHECK(tensor.name != kMetadataKey, WeightsError, path, ": tensor ", quoted(tensor.name),
               ": this name is reserved; rename the tensor");
    RELA_CHECK(tensor.name.size() <= kMaxNameBytes, WeightsError, path, ": a tensor's name has ",
               tensor.name.size(), " bytes; at most ", kMaxNameBytes, " are accepted");
    placed.push_back({&tensor, bytes_of(path, tensor)});
  }
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    const int a_bits = wire_dtype_bits(a.tensor->dtype);
    const int b_bits = wire_dtype_bits(b.tensor->dtype);
    return a_bits != b_bits ? a_bits > b_bits : a.tensor->name < b.tensor->name;
  });
  return placed;
}

JsonValue to_json(const SafetensorsMetadata& metadata) {
  JsonValue::Object object;
  for (const auto& [key, text] : metadata) object.emplace_back(key, JsonValue(text));
  return JsonValue(std::move(object));
}

std::string header_text(const std::string& path, const std::vector<Placed>& placed,
                        const SafetensorsMetadata& metadata) {
  JsonValue::Object header;
  if (!metadata.empty()) header.emplace_back(kMetadataKey, to_json(metadata));
  int64_t offset = 0;
  for (const auto& [tensor, bytes] : placed) {
    JsonValue::Array shape;
    for (const int64_t size : tensor->shape.dims()) shape.emplace_back(size);
    JsonValue::Object entry;
    entry.emplace_back("dtype", JsonValue(std::string(wire_dtype_name(tensor->dtype))));
    entry.emplace_back("shape", JsonValue(std::move(shape)));
    entry.emplace_back("data_offsets",
                       JsonValue(JsonValue::Array{JsonValue(offset), JsonValue(offset + bytes)}));
    header.emplace_back(tensor->name, JsonValue(std::move(entry)));
    offset += bytes;
  }
  try {
    std::string text = to_json_text(JsonValue(std::move(header)), JsonLayout::kCompact);
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const Error&) {
    throw WeightsError(cat(path, ": a name or metadata is not UTF-8; only UTF-8 can be written"));
  }
}

void check_unique(const std::string& path, const std::vector<Placed>& placed) {
  std::vector<std::string> names;
  names.reserve(placed.size());
  for (const Placed& p : placed) names.push_back(p.tensor->name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw WeightsError(cat(path, ": tensor ", quoted(*twice), " is given twice; names are unique"));
  }
}

}  // namespace

void write_safetensors(const std::string& path, std::span<const SafetensorsTensor> tensors,
                       const SafetensorsMetadata& metadata) {
  const std::vector<Placed> placed = in_file_order(path, tensors);
  check_unique(path, placed);
  const std::string header = header_text(path, placed, metadata);
  RELA_CHECK(header.size() <= kMaxHeaderBytes, WeightsError, path, ": header of ", header.size(),
             " bytes; at most ", kMaxHeaderBytes, " are allowed");
  std::array<uint8_t, kLengthBytes> length;
  for (size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<uint8_t>(header.size() >> (8 * i));
  }
  AtomicFile file(path);
  file.write(length.data(), kLengthBytes);
  file.write(header);
  for (const auto& [tensor, bytes] : placed) file.write(tensor->data, bytes);
  file.commit();
}

}  // namespace rela
