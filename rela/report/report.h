#pragma once

#include <filesystem>
#include <string>

namespace rela {

/// One self-contained HTML page about a run, from what its folder holds: metrics.jsonl,
/// config.resolved.json, env.json, status.json (each may be missing, empty or torn: the page says
/// what it lacks). No network, no scripts needed. Throws IoError for files that cannot be read.
std::string render_report(const std::filesystem::path& out_dir);

/// Writes render_report(out_dir) to out_dir/report.html, atomically.
void write_report(const std::filesystem::path& out_dir);

}  // namespace rela
