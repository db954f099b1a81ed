#include "server/backup_parts.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "server/data_lock.h"

namespace bukubesar {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFiles[] = {"ledger.heads", "definition.jsonl", "witness.keys", "witness.state", "reads.head"};
constexpr std::string_view kDirectories[] = {"ledger", "segments", "reads"};

absl::Status refused(const std::string& path, const std::error_code& error) { return unavailable("{}: {}", path, error.message()); }

// A file that never changes again.
absl::Status link_file(const fs::path& from, const fs::path& to) {
  RETURN_IF_ERROR(make_directories(to.parent_path().string()));
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error == std::errc::cross_device_link || error == std::errc::operation_not_permitted) fs::copy_file(from, to, error);
  return error ? refused(to.string(), error) : absl::OkStatus();
}

// Segments are written whole, renamed into place and never changed.
absl::Status link_segments(const std::string& data_dir, const std::string& to) {
  std::error_code error;
  for (const auto& file : fs::recursive_directory_iterator(data_dir + "/segments", error)) {
    if (file.path().extension() != ".seg") continue;
    RETURN_IF_ERROR(link_file(file.path(), fs::path(to) / "segments" / file.path().parent_path().filename() / file.path().filename()));
  }
  return absl::OkStatus();
}

absl::Status copy_small(const std::string& data_dir, const std::string& to, std::string_view name) {
  const auto content = read_file(fmt::format("{}/{}", data_dir, name));
  if (absl::IsNotFound(content.status())) return absl::OkStatus();
  RETURN_IF_ERROR(content.status());
  return write_file_durably(fmt::format("{}/{}", to, name), *content);
}

// The log of reads while it is appended to. Its head first: what that names is in the files by then. Only the last file grows still.
absl::Status freeze_reads(const std::string& data_dir, const std::string& to) {
  RETURN_IF_ERROR(copy_small(data_dir, to, "reads.head"));
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(data_dir + "/reads", error))
    if (file.path().extension() == ".jsonl") files.push_back(file.path());
  if (error && error != std::errc::no_such_file_or_directory) return refused(data_dir + "/reads", error);
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const fs::path target = fs::path(to) / "reads" / files[i].filename();
    if (i + 1 < files.size()) {
      RETURN_IF_ERROR(link_file(files[i], target));
      continue;
    }
    ASSIGN_OR_RETURN(const std::string text, read_file(files[i].string()));
    RETURN_IF_ERROR(make_directories(target.parent_path().string()));
    RETURN_IF_ERROR(write_file_durably(target.string(), std::string_view(text).substr(0, text.rfind('\n') + 1), 0640));
  }
  return absl::OkStatus();
}

bool belongs_to_backup(std::string_view directory, const fs::path& file) {
  if (directory == "segments") return file.extension() == ".seg";
  if (directory == "reads") return file.extension() == ".jsonl";
  return file.filename() != "LOCK";
}

}  // namespace

absl::StatusOr<std::vector<std::string>> backup_paths(const std::string& data_dir) {
  std::vector<std::string> paths;
  for (const std::string_view name : kFiles)
    if (fs::exists(fs::path(data_dir) / name)) paths.emplace_back(name);
  for (const std::string_view part : kDirectories) {
    std::error_code error;
    for (const auto& file : fs::recursive_directory_iterator(fs::path(data_dir) / part, error)) {
      if (file.is_regular_file() && belongs_to_backup(part, file.path())) paths.push_back(fs::relative(file.path(), data_dir).string());
    }
    if (error && error != std::errc::no_such_file_or_directory) return refused(fmt::format("{}/{}", data_dir, part), error);
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
  // In this order: segments are never ahead of the ledger, nor the ledger of the definition, nor what was read of what there was to read.
  RETURN_IF_ERROR(freeze_reads(data_dir, to));
  RETURN_IF_ERROR(link_segments(data_dir, to));
  RETURN_IF_ERROR(ledger.freeze(to));
  for (const std::string_view name : kFiles)
    if (name != "ledger.heads" && name != "reads.head") RETURN_IF_ERROR(copy_small(data_dir, to, name));
  return absl::OkStatus();
}

void remove_frozen(const std::string& data_dir) {
  const std::string frozen = fmt::format("{}/{}", data_dir, kFrozenDirectory);
  const auto copier = DataLock::owner(frozen);
  if (copier.ok() && *copier) return;
  std::error_code error;
  if (copier.ok()) fs::remove_all(frozen, error);
  // What was erased since may stand in it.
  if (!copier.ok())
    spdlog::warn("{} stays until the next start or backup, it cannot be told whether it is being copied: {}", frozen,
                 message_of(copier.status()));
  if (error) spdlog::warn("{} stays until the next start or backup: {}", frozen, error.message());
}

}  // namespace bukubesar
