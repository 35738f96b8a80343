#include "rela/run/status.h"

#include <chrono>

#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {

void write_status(const std::filesystem::path& out_dir, RunStatus status) {
  status.time =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  JsonValue::Object object;
  write_fields(status, object);
  write_file_atomic((out_dir / RunStatus::kFile).string(),
                    to_json_text(object, JsonLayout::kIndented) + "\n");
}

void write_last_status(const std::filesystem::path& out_dir, const RunStatus& status) {
  try {
    write_status(out_dir, status);
  } catch (const IoError&) {
    remove_tree((out_dir / RunStatus::kFile).string());
    write_status(out_dir, status);
  }
}

std::optional<RunStatus> read_status(const std::filesystem::path& out_dir) {
  const std::filesystem::path file = out_dir / RunStatus::kFile;
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    return read_fields<RunStatus>(parse_json(read_text_file(file.string())));
  } catch (const JsonError&) {
    return std::nullopt;
  }
}

}  // namespace rela
