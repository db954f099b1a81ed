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
  std::error_code error;
  std::filesystem::remove_all(trial_of(directory), error);
  return error ? unavailable("remove {}: {}", trial_of(directory), error.message()) : absl::OkStatus();
}

absl::StatusOr<bool> cut_torn_manifest(const std::string& directory, const CopyCheck& check) {
  ASSIGN_OR_RETURN(const std::string name, manifest_in_force(directory));
  if (name.empty()) return false;
  const std::string path = fmt::format("{}/{}", directory, name);
  ASSIGN_OR_RETURN(const std::string manifest, read_file(path));
  const auto end = torn_tail(manifest, RecordFile::manifest);
  if (!end) return false;
  const std::string_view cut = std::string_view(manifest).substr(0, *end);
  RETURN_IF_ERROR(remove_trial(directory));
  const absl::Status tried = try_on_copy(directory, name, cut, check);
  RETURN_IF_ERROR(remove_trial(directory));
  if (!tried.ok()) {
    spdlog::error("{}: its last {} bytes look torn by a power loss, but stay: without them, {}", path, manifest.size() - *end,
                  message_of(tried));
    return false;
  }
  // The torn one is not kept: what its tail names RocksDB removes now, so nothing could be done with it.
  RETURN_IF_ERROR(write_file_durably(path, cut));
  spdlog::warn("{}: its last {} bytes, not synced yet, were torn by a power loss: they are cut off; a copy without them had every entry",
               path, manifest.size() - *end);
  return true;
}

}  // namespace bukubesar
