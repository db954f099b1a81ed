#include "ledger/manifest_tail.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/file.h"
#include "base/status.h"
#include "ledger/log_tail.h"

namespace bukubesar {

namespace {

constexpr std::string_view kCurrent = "CURRENT";
constexpr std::string_view kManifestPrefix = "MANIFEST-";

std::string trial_of(const std::string& directory) { return directory + ".trial"; }

// The name that CURRENT has; "" where it has none.
absl::StatusOr<std::string> manifest_in_force(const std::string& directory) {
  ASSIGN_OR_RETURN(std::string name, read_file(fmt::format("{}/{}", directory, kCurrent)));
  if (!name.starts_with(kManifestPrefix) || !name.ends_with('\n')) return std::string();
  name.pop_back();
  return name;
}

// Tables and logs: RocksDB opened for reading changes none of them. LOCK is left out, so that the copy is nobody's.
absl::Status link_files(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(from));
  for (const std::string& name : names) {
    if (!name.ends_with(".sst") && !name.ends_with(".log")) continue;
    const std::string path = fmt::format("{}/{}", from, name);
    if (::link(path.c_str(), fmt::format("{}/{}", to, name).c_str()) != 0)
      return unavailable("link {} into {}: {}", path, to, std::strerror(errno));
  }
  return absl::OkStatus();
}

absl::Status try_on_copy(const std::string& directory, const std::string& name, std::string_view cut, const CopyCheck& check) {
  const std::string copy = trial_of(directory) + "/ledger";
  RETURN_IF_ERROR(make_directories(copy));
  RETURN_IF_ERROR(link_files(directory, copy));
  RETURN_IF_ERROR(write_file_durably(fmt::format("{}/{}", copy, name), cut));
  RETURN_IF_ERROR(write_file_durably(fmt::format("{}/{}", copy, kCurrent), name + "\n"));
  return check(copy);
}

}  // namespace

absl::Status remove_trial(const std::string& directory) {
  const std::filesystem::path trial = trial_of(directory);
  std::error_code error;
  const std::uintmax_t removed = std::filesystem::remove_all(trial, error);
  if (error) return unavailable("remove {}: {}", trial.string(), error.message());
  return removed == 0 ? absl::OkStatus() : sync_directory(trial.parent_path().string());
}

absl::Status mend_manifest(const std::string& directory, const CopyCheck& check) {
  if (!std::filesystem::exists(fmt::format("{}/{}", directory, kCurrent))) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string name, manifest_in_force(directory));
  const std::string path = fmt::format("{}/{}", directory, name);
  if (name.empty() || !std::filesystem::exists(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string manifest, read_file(path));
  const std::string_view whole = std::string_view(manifest).substr(0, end_of_records(manifest));
  const std::size_t rest = manifest.size() - whole.size();
  if (rest == 0) return absl::OkStatus();
  if (!ends_early(manifest) && !torn_tail(manifest, RecordFile::manifest))
    return data_loss("{}: it is damaged from byte {} on, and no power loss leaves it so", path, whole.size());
  // The log may be torn by the same power loss.
  RETURN_IF_ERROR(cut_torn_tail(directory).status());
  spdlog::warn(
      "{}: its last {} bytes are not whole, as a power loss leaves it: it is tried on a copy whether anything is missing without them",
      path, rest);
  RETURN_IF_ERROR(remove_trial(directory));
  const absl::Status tried = try_on_copy(directory, name, whole, check);
  RETURN_IF_ERROR(remove_trial(directory));
  if (!tried.ok()) return data_loss("{}: its last {} bytes are not whole, and without them: {}", path, rest, message_of(tried));
  // The torn one is not kept: what its tail names RocksDB removes now, so nothing could be done with it.
  RETURN_IF_ERROR(write_file_durably(path, whole));
  spdlog::warn("{}: its last {} bytes are cut off: they were not synced yet, and a copy without them had every entry", path, rest);
  return absl::OkStatus();
}

}  // namespace bukubesar
