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
  ASSIGN_OR_RETURN(const std::vector<std::string> files, files_under(data_dir + "/segments"));
  for (const std::string& file : files)
    if (file.ends_with(".seg")) RETURN_IF_ERROR(link_file(file, to + file.substr(data_dir.size())));
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
  ASSIGN_OR_RETURN(std::vector<std::string> files, names_in(data_dir + "/reads"));
  std::erase_if(files, [](const std::string& name) { return !name.ends_with(".jsonl"); });
  for (const std::string& name : files) {
    const fs::path from = fs::path(data_dir) / "reads" / name;
    const fs::path target = fs::path(to) / "reads" / name;
    if (name != files.back()) {
      RETURN_IF_ERROR(link_file(from, target));
      continue;
    }
    ASSIGN_OR_RETURN(const std::string text, read_file(from.string()));
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
  std::error_code error;
  for (const std::string_view name : kFiles) {
    if (fs::exists(fs::path(data_dir) / name, error)) paths.emplace_back(name);
    if (error) return refused(fmt::format("{}/{}", data_dir, name), error);
  }
  for (const std::string_view part : kDirectories) {
    ASSIGN_OR_RETURN(const std::vector<std::string> files, files_under(fmt::format("{}/{}", data_dir, part)));
    if (part == "ledger" && files.empty()) return not_found("{}/ledger: nothing is there to copy", data_dir);
    for (const std::string& file : files)
      if (belongs_to_backup(part, file)) paths.push_back(file.substr(data_dir.size() + 1));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

namespace {

// Renamed first: whoever begins to copy it finds nothing, rather than a part.
absl::Status remove_whole(const std::string& frozen) {
  const std::string going = frozen + ".old";
  std::error_code error;
  fs::remove_all(going, error);
  if (!error) fs::rename(frozen, going, error);
  if (error == std::errc::no_such_file_or_directory) return absl::OkStatus();
  if (!error) fs::remove_all(going, error);
  return error ? refused(frozen, error) : absl::OkStatus();
}

// What was erased since may stand in it.
void warn_that_it_stays(const std::string& frozen, const absl::Status& why) {
  if (!why.ok()) spdlog::warn("{} stays until the next start or backup: {}", frozen, message_of(why));
}

absl::Status fill_frozen(const std::string& data_dir, const std::string& to, const Ledger& ledger) {
  RETURN_IF_ERROR(make_directories(to));
  // In this order: segments are never ahead of the ledger, nor the ledger of the definition, nor what was read of what there was to read.
  RETURN_IF_ERROR(freeze_reads(data_dir, to));
  RETURN_IF_ERROR(link_segments(data_dir, to));
  RETURN_IF_ERROR(ledger.freeze(to));
  for (const std::string_view name : kFiles)
    if (name != "ledger.heads" && name != "reads.head") RETURN_IF_ERROR(copy_small(data_dir, to, name));
  return absl::OkStatus();
}

}  // namespace

std::string frozen_directory(const std::string& data_dir) { return fmt::format("{}/{}", data_dir, kFrozenDirectory); }

absl::Status freeze_data_directory(const std::string& data_dir, const Ledger& ledger) {
  const std::string to = frozen_directory(data_dir);
  ASSIGN_OR_RETURN(const auto copier, DataLock::owner(to));
  if (copier) return failed_precondition("{} is being copied by process {}: one backup at a time", to, *copier);
  RETURN_IF_ERROR(remove_whole(to));
  const absl::Status filled = fill_frozen(data_dir, to, ledger);
  if (!filled.ok()) warn_that_it_stays(to, remove_whole(to));
  return filled;
}

std::optional<std::string> remove_frozen(const std::string& data_dir) {
  const std::string frozen = frozen_directory(data_dir);
  const auto copier = DataLock::owner(frozen);
  warn_that_it_stays(frozen, with_context(copier.status(), "it cannot be told whether it is being copied"));
  if (!copier.ok()) return std::nullopt;
  if (!*copier) warn_that_it_stays(frozen, remove_whole(frozen));
  return *copier;
}

void remove_frozen(const std::string& data_dir, DataLock /*copying*/) {
  const std::string frozen = frozen_directory(data_dir);
  warn_that_it_stays(frozen, remove_whole(frozen));
}

}  // namespace bukubesar
