#include "server/backup_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "server/data_lock.h"

namespace bukubesar {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFiles[] = {"ledger.heads", "definition.jsonl", "witness.keys", "witness.state"};

absl::Status refused(const std::string& path, const std::error_code& error) { return unavailable("{}: {}", path, error.message()); }

// Segments are written whole, renamed into place and never changed.
absl::Status link_segments(const std::string& data_dir, const std::string& to) {
  std::error_code error;
  for (const auto& file : fs::recursive_directory_iterator(data_dir + "/segments", error)) {
    if (file.path().extension() != ".seg") continue;
    const fs::path target = fs::path(to) / "segments" / file.path().parent_path().filename() / file.path().filename();
    RETURN_IF_ERROR(make_directories(target.parent_path().string()));
    fs::create_hard_link(file.path(), target, error);
    if (error == std::errc::cross_device_link || error == std::errc::operation_not_permitted) fs::copy_file(file.path(), target, error);
    if (error) return refused(target.string(), error);
  }
  return absl::OkStatus();
}

absl::Status copy_small(const std::string& data_dir, const std::string& to, std::string_view name) {
  const auto content = read_file(fmt::format("{}/{}", data_dir, name));
  if (absl::IsNotFound(content.status())) return absl::OkStatus();
  RETURN_IF_ERROR(content.status());
  return write_file_durably(fmt::format("{}/{}", to, name), *content);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> backup_paths(const std::string& data_dir) {
  std::vector<std::string> paths;
  for (const std::string_view name : kFiles)
    if (fs::exists(fs::path(data_dir) / name)) paths.emplace_back(name);
  for (const char* const part : {"ledger", "segments"}) {
    std::error_code error;
    for (const auto& file : fs::recursive_directory_iterator(fs::path(data_dir) / part, error)) {
      const std::string name = file.path().filename().string();
      const bool is_part = std::string_view(part) == "ledger" ? name != "LOCK" : file.path().extension() == ".seg";
      if (file.is_regular_file() && is_part) paths.push_back(fs::relative(file.path(), data_dir).string());
    }
    if (error && error != std::errc::no_such_file_or_directory) return refused(data_dir + "/" + part, error);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

absl::Status freeze_data_directory(const std::string& data_dir, const Ledger& ledger) {
  const std::string to = fmt::format("{}/{}", data_dir, kFrozenDirectory);
  ASSIGN_OR_RETURN(const auto copier, DataLock::owner(to));
  if (copier) return failed_precondition("{} is being copied by process {}: one backup at a time", to, *copier);
  std::error_code error;
  fs::remove_all(to, error);
  if (error) return refused(to, error);
  RETURN_IF_ERROR(make_directories(to));
  // In this order: segments are never ahead of the ledger, nor the ledger of the definition.
  RETURN_IF_ERROR(link_segments(data_dir, to));
  RETURN_IF_ERROR(ledger.freeze(to));
  for (const std::string_view name : kFiles)
    if (name != "ledger.heads") RETURN_IF_ERROR(copy_small(data_dir, to, name));
  return absl::OkStatus();
}

void remove_frozen(const std::string& data_dir) {
  const std::string frozen = fmt::format("{}/{}", data_dir, kFrozenDirectory);
  const auto copier = DataLock::owner(frozen);
  if (!copier.ok() || *copier) return;
  std::error_code ignored;  // it is removed by the next one
  fs::remove_all(frozen, ignored);
}

}  // namespace bukubesar
