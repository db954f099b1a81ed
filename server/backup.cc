#include "server/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/private_file.h"
#include "base/status.h"
#include "base/time.h"
#include "config/definition.h"
#include "ledger/ledger.h"
#include "server/backup_parts.h"
#include "server/data_lock.h"
#include "server/json.h"

namespace bukubesar {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMarkerName = "bukubesar-backup";
constexpr std::string_view kSumPrefix = "sha256 ";
constexpr int kFormat = 1;

std::string content_path(const std::string& directory, const std::string& sha256) {
  return fmt::format("{}/files/{}/{}", directory, sha256.substr(0, 2), sha256);
}
std::string manifest_path(const std::string& directory, std::uint64_t number) {
  return fmt::format("{}/backups/{:08}.json", directory, number);
}

bool is_there(const std::string& path) {
  std::error_code none;  // what can't be looked at is written anew
  return fs::exists(path, none);
}

std::string stamp_of(const std::string& path) {
  const FileStamp stamp = file_stamp(path);
  return fmt::format("{}:{}:{}", stamp.device, stamp.inode, stamp.modified_ns);
}

std::string marker_of(const std::string& ledger) { return fmt::format("bukubesar backups {} of ledger {}\n", kFormat, ledger); }

// The directory is new, empty, or holds backups of this ledger. Nothing is written: it may be somebody's.
absl::Status check_directory(const std::string& directory, const std::string& ledger) {
  const auto marker = read_file(fmt::format("{}/{}", directory, kMarkerName));
  if (marker.ok() && *marker == marker_of(ledger)) return absl::OkStatus();
  if (marker.ok())
    return failed_precondition("{} holds '{}', not backups of ledger {}", directory, marker->substr(0, marker->find('\n')), ledger);
  if (!absl::IsNotFound(marker.status())) return marker.status();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names)
    if (name != "lock") return failed_precondition("{} holds {}, and no backups: give an empty directory, or a new one", directory, name);
  return absl::OkStatus();
}

// One backup in the making.
class Copying {
 public:
  Copying(const BackupOptions& options, const std::vector<BackupInfo>& before) : options_(options) {
    for (const BackupInfo& info : before)
      for (const BackupFile& file : info.files) known_[{file.path, file.stamp, file.bytes}] = file.sha256;
  }

  absl::Status run(const std::vector<std::string>& paths) {
    std::uint64_t total = 0;
    for (const std::string& path : paths) total += file_stamp(options_.source + "/" + path).size;
    std::uint64_t seen = 0;
    for (const std::string& path : paths) {
      if (options_.progress) options_.progress("copying " + path, seen, total);
      if (options_.stopping != nullptr && *options_.stopping) return unavailable("ended by a stop, at {} of {} bytes", seen, total);
      seen += file_stamp(options_.source + "/" + path).size;
      RETURN_IF_ERROR(copy(path, options_.source + "/" + path));
    }
    if (!options_.key_file.empty()) {
      RETURN_IF_ERROR(read_private_file(options_.key_file).status());
      RETURN_IF_ERROR(copy("signing.key", options_.key_file));
    }
    return keep(BackupFile{"config.json", {}, options_.config_text.size(), ""}, options_.config_text);
  }
  BackupDone take() { return std::move(done_); }

 private:
  absl::Status copy(const std::string& path, const std::string& from) {
    BackupFile file{path, {}, file_stamp(from).size, stamp_of(from)};
    const auto known = known_.find({file.path, file.stamp, file.bytes});
    if (known != known_.end() && is_there(content_path(options_.directory, known->second))) {
      file.sha256 = known->second;
      done_.info.files.push_back(std::move(file));
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const std::string content, read_file(from));
    return keep(std::move(file), content);
  }

  absl::Status keep(BackupFile file, const std::string& content) {
    file.sha256 = hex(as_view(sha256(content)));
    file.bytes = content.size();
    const std::string to = content_path(options_.directory, file.sha256);
    if (!is_there(to)) {
      RETURN_IF_ERROR(make_directories(fs::path(to).parent_path().string()));
      RETURN_IF_ERROR(write_file_durably(to, content, 0600));
      ++done_.files_copied;
      done_.bytes_copied += content.size();
    }
    done_.info.files.push_back(std::move(file));
    return absl::OkStatus();
  }

  const BackupOptions& options_;
  std::map<std::tuple<std::string, std::string, std::uint64_t>, std::string> known_;  // (path, stamp, bytes) → SHA-256
  BackupDone done_;
};

std::string manifest_text(const BackupInfo& info) {
  Json roots = Json::object();
  for (const auto& [partition, root] : info.roots) roots[partition.name()] = base64(as_view(root));
  Json files = Json::array();
  for (const BackupFile& file : info.files)
    files.push_back({{"path", file.path}, {"sha256", file.sha256}, {"bytes", file.bytes}, {"stamp", file.stamp}});
  const Json json = {{"bukubesar_backup", kFormat},
                     {"number", info.number},
                     {"made_at", format_instant_ms(info.made_at_ms, 0)},
                     {"ledger", info.ledger},
                     {"cut", to_json(info.cut)},
                     {"roots", roots},
                     {"with_key", info.with_key},
                     {"files", files}};
  const std::string line = to_text(json) + "\n";
  return fmt::format("{}{}{}\n", line, kSumPrefix, hex(as_view(sha256(line))));
}

// Nothing of a manifest is trusted: its sum says that it is whole, not that it was ours.
bool is_safe_path(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.find("..") == std::string_view::npos && path.find('\0') == std::string_view::npos;
}
bool is_sha256(std::string_view text) { return text.size() == 64 && unhex(text).has_value(); }

absl::StatusOr<BackupInfo> parse_manifest(const std::string& text, const std::string& name) {
  const std::size_t end = text.find('\n');
  if (end == std::string::npos ||
      text.substr(end + 1) != fmt::format("{}{}\n", kSumPrefix, hex(as_view(sha256(std::string_view(text).substr(0, end + 1))))))
    return data_loss("{}: its checksum does not fit: the backup is damaged, or was not written to its end", name);
  const Json json = Json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false);
  const auto malformed = [&] { return data_loss("{}: it is no list of a backup", name); };
  if (!json.is_object() || json.value("bukubesar_backup", 0) != kFormat) return malformed();
  try {
    BackupInfo info;
    info.number = json.at("number").get<std::uint64_t>();
    const auto made_at = parse_instant_ms(json.at("made_at").get<std::string>());
    if (!made_at) return malformed();
    info.made_at_ms = *made_at;
    info.ledger = json.at("ledger").get<std::string>();
    info.with_key = json.at("with_key").get<bool>();
    for (const auto& [partition, size] : json.at("cut").items()) {
      const auto id = PartitionId::parse(partition);
      const auto root = unbase64(json.at("roots").at(partition).get<std::string>());
      if (!id || !root || root->size() != sizeof(Hash256)) return malformed();
      info.cut.set(*id, size.get<std::uint64_t>());
      std::copy(root->begin(), root->end(), reinterpret_cast<char*>(info.roots[*id].data()));
    }
    for (const Json& each : json.at("files")) {
      BackupFile file{each.at("path").get<std::string>(), each.at("sha256").get<std::string>(), each.at("bytes").get<std::uint64_t>(),
                      each.at("stamp").get<std::string>()};
      if (!is_safe_path(file.path) || !is_sha256(file.sha256)) return malformed();
      info.files.push_back(std::move(file));
    }
    return info;
  } catch (const nlohmann::json::exception&) {
    return malformed();
  }
}

// The ledger of a directory as it stands: its name, sizes and roots.
absl::Status look_at_ledger(const std::string& directory, BackupInfo& info) {
  ASSIGN_OR_RETURN(const DefinitionFile file, DefinitionFile::load(directory + "/definition.jsonl"));
  LedgerOptions options;
  options.directory = directory + "/ledger";
  options.read_only = true;
  options.with_ids = false;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::open(std::move(options), file.definition()));
  if (ledger->shorter_than_recorded()) return failed_precondition("{} is shorter than its heads file says", directory);
  info.ledger = file.definition().name;
  for (const auto& [partition, head] : ledger->heads()) {
    info.cut.set(partition, head.size);
    info.roots[partition] = head.root;
  }
  return absl::OkStatus();
}

// Backups beyond `keep`, then contents that none of the others has. What cannot be removed is an error: something erased may stand in it.
absl::StatusOr<std::uint64_t> remove_old(const std::string& directory, std::uint32_t keep) {
  ASSIGN_OR_RETURN(std::vector<BackupInfo> all, list_backups(directory));
  const std::size_t too_many = keep == 0 || all.size() <= keep ? 0 : all.size() - keep;
  std::error_code error;
  for (std::size_t i = 0; i < too_many; ++i) {
    fs::remove(manifest_path(directory, all[i].number), error);
    if (error) return unavailable("{}: {}", manifest_path(directory, all[i].number), error.message());
  }
  RETURN_IF_ERROR(sync_directory(directory + "/backups"));
  std::set<std::string> needed;
  for (std::size_t i = too_many; i < all.size(); ++i)
    for (const BackupFile& file : all[i].files) needed.insert(content_path(directory, file.sha256));
  ASSIGN_OR_RETURN(const std::vector<std::string> contents, files_under(directory + "/files"));
  absl::Status all_gone;
  for (const std::string& content : contents) {
    if (needed.count(content) != 0) continue;
    fs::remove(content, error);
    if (error) all_gone.Update(unavailable("remove {}: {}", content, error.message()));
  }
  RETURN_IF_ERROR(all_gone);
  return too_many;
}

}  // namespace

std::uint64_t BackupInfo::bytes() const {
  std::uint64_t sum = 0;
  for (const BackupFile& file : files) sum += file.bytes;
  return sum;
}

absl::StatusOr<BackupDone> make_backup(const BackupOptions& options) {
  BackupInfo info;
  RETURN_IF_ERROR(look_at_ledger(options.source, info));
  RETURN_IF_ERROR(check_directory(options.directory, info.ledger));
  RETURN_IF_ERROR(make_directories(options.directory));
  ASSIGN_OR_RETURN(const DataLock lock, DataLock::take(options.directory));
  RETURN_IF_ERROR(write_file_durably(fmt::format("{}/{}", options.directory, kMarkerName), marker_of(info.ledger)));
  RETURN_IF_ERROR(make_directories(options.directory + "/backups"));
  RETURN_IF_ERROR(make_directories(options.directory + "/files"));
  ASSIGN_OR_RETURN(const std::vector<BackupInfo> before, list_backups(options.directory));
  Copying copying(options, before);
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, backup_paths(options.source));
  RETURN_IF_ERROR(copying.run(paths));
  BackupDone done = copying.take();
  info.files = std::move(done.info.files);
  info.number = before.empty() ? 1 : before.back().number + 1;
  info.made_at_ms = Clock::system().wall_ms();
  info.with_key = !options.key_file.empty();
  RETURN_IF_ERROR(write_file_durably(manifest_path(options.directory, info.number), manifest_text(info)));
  done.info = std::move(info);
  const auto removed = remove_old(options.directory, options.keep);
  if (!removed.ok())
    return with_context(removed.status(), fmt::format("backup {} is made, but what older ones leave is not all removed", done.info.number));
  done.backups_removed = *removed;
  return done;
}

absl::StatusOr<std::vector<BackupInfo>> list_backups(const std::string& directory) {
  std::vector<BackupInfo> all;
  const std::string backups = directory + "/backups";
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(backups));
  if (names.empty() && !is_there(backups)) return not_found("{} holds no backups", directory);
  for (const std::string& name : names) {
    if (!name.ends_with(".json")) continue;  // of a writing that was cut off
    const std::string path = backups + "/" + name;
    ASSIGN_OR_RETURN(const std::string text, read_file(path));
    ASSIGN_OR_RETURN(BackupInfo info, parse_manifest(text, path));
    all.push_back(std::move(info));
  }
  std::sort(all.begin(), all.end(), [](const BackupInfo& a, const BackupInfo& b) { return a.number < b.number; });
  return all;
}

absl::Status check_restored(const std::string& directory, const BackupInfo& info) {
  BackupInfo found;
  RETURN_IF_ERROR(look_at_ledger(directory, found));
  if (found.cut == info.cut && found.roots == info.roots && found.ledger == info.ledger) return absl::OkStatus();
  return data_loss("backup {}: what was restored has cut {}, its list says {}, or its roots differ", info.number, found.cut.text(),
                   info.cut.text());
}

}  // namespace bukubesar
