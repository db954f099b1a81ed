#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "config/definition.h"
#include "ledger/heads_file.h"
#include "ledger/ledger.h"
#include "ledger/signer.h"
#include "server/backup.h"
#include "server/backup_parts.h"
#include "server/reads_log.h"

namespace bukubesar {

namespace {

namespace fs = std::filesystem;

absl::StatusOr<BackupInfo> find_backup(const RestoreOptions& options) {
  ASSIGN_OR_RETURN(std::vector<BackupInfo> all, list_backups(options.directory));
  if (all.empty()) return not_found("{} holds no whole backup", options.directory);
  if (!options.number) return std::move(all.back());
  for (BackupInfo& info : all)
    if (info.number == *options.number) return std::move(info);
  return not_found("{} has backups {} … {}, not {}", options.directory, all.front().number, all.back().number, *options.number);
}

unsigned mode_of(std::string_view path) { return path == "signing.key" ? 0600 : path.starts_with("reads") ? 0640 : 0644; }

absl::Status copy_back(const RestoreOptions& options, const BackupInfo& info, const std::string& to) {
  const std::uint64_t total = info.bytes();
  std::uint64_t done = 0;
  for (const BackupFile& file : info.files) {
    if (options.progress) options.progress("restoring " + file.path, done, total);
    const std::string from = fmt::format("{}/files/{}/{}", options.directory, file.sha256.substr(0, 2), file.sha256);
    const auto content = read_file(from);
    if (absl::IsNotFound(content.status())) return data_loss("backup {}: {} is missing: the content of {}", info.number, from, file.path);
    RETURN_IF_ERROR(content.status());
    if (hex(as_view(sha256(*content))) != file.sha256)
      return data_loss("backup {}: {} is damaged: the content of {}; another backup may hold an older copy", info.number, from, file.path);
    const std::string target = to + "/" + file.path;
    RETURN_IF_ERROR(make_directories(fs::path(target).parent_path().string()));
    RETURN_IF_ERROR(write_file_durably(target, *content, mode_of(file.path)));
    done += file.bytes;
  }
  return absl::OkStatus();
}

// What was copied is what the backup lists, and can have been damaged before: a log of reads with holes must not come back in silence.
absl::Status check_restored_reads(const RestoreOptions& options, const BackupInfo& info, const std::string& directory) {
  if (options.damaged_reads) return absl::OkStatus();
  const ReadsCheck reads = check_reads(directory + "/reads");
  if (reads.findings.empty()) return absl::OkStatus();
  const auto& [place, what] = reads.findings.front();
  const std::size_t more = reads.findings.size() - 1;
  return data_loss(
      "backup {}: its log of reads is damaged: {}: {}{}; an earlier backup may hold it whole (--number), and --damaged-reads restores it "
      "as "
      "it is",
      info.number, place, what, more == 0 ? "" : fmt::format(" (and {} more)", more));
}

// The heads that a file states: a heads file as it is, a checkpoint where one of the keys signed it.
absl::StatusOr<std::map<PartitionId, RecordedHead>> stated_heads(const std::string& path, const Definition& definition,
                                                                 const std::vector<std::string>& verifier_keys) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  if (text.starts_with("bukubesar heads ")) {
    ASSIGN_OR_RETURN(const RecordedHeads heads, parse_heads(text, definition.name, path));
    return heads.partitions;
  }
  const auto checkpoint = parse_checkpoint(text);
  if (!checkpoint.ok()) return invalid_argument("--reach {}: neither a heads file nor a checkpoint", path);
  for (const PartitionId partition : definition.all_partitions()) {
    if (definition.origin(partition) != checkpoint->origin) continue;
    absl::Status verified = invalid_argument("--reach {}: give the verifier key of {} with --vkey", path, checkpoint->origin);
    for (const std::string& key : verifier_keys)
      if (key.starts_with(checkpoint->origin + "+")) verified = with_context(verify_note(text, key), path);
    RETURN_IF_ERROR(verified);
    return std::map<PartitionId, RecordedHead>{{partition, {checkpoint->size, checkpoint->root, Epoch(0), Offset(0)}}};
  }
  return invalid_argument("--reach {}: a checkpoint of {}, not of ledger {}", path, checkpoint->origin, definition.name);
}

// Raises the heads file to what is known to have been there, so that the node knows that it is behind (I9).
absl::StatusOr<Cut> raise_heads(const RestoreOptions& options, const std::string& directory) {
  Cut to_reach;
  if (options.reach_files.empty()) return to_reach;
  ASSIGN_OR_RETURN(const DefinitionFile file, DefinitionFile::load(directory + "/definition.jsonl"));
  LedgerOptions opening;
  opening.directory = directory + "/ledger";
  opening.read_only = true;
  opening.with_ids = false;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::open(std::move(opening), file.definition()));
  const std::string heads_path = directory + "/ledger.heads";
  ASSIGN_OR_RETURN(const std::string text, read_file(heads_path));
  ASSIGN_OR_RETURN(RecordedHeads heads, parse_heads(text, file.definition().name, heads_path));
  for (const std::string& path : options.reach_files) {
    ASSIGN_OR_RETURN(const auto stated, stated_heads(path, file.definition(), options.verifier_keys));
    for (const auto& [partition, head] : stated) {
      const std::uint64_t size = ledger->head(partition).size;
      if (head.size <= size) {
        ASSIGN_OR_RETURN(const Hash256 root, ledger->root(partition, head.size));
        if (root != head.root)
          return data_loss("partition {}: {} says that its first {} entries have root {}, in the backup they have {}: another history",
                           partition.name(), path, head.size, base64(as_view(head.root)), base64(as_view(root)));
      } else if (RecordedHead& recorded = heads.partitions[partition]; head.size > recorded.size) {
        recorded = {head.size, head.root, ledger->head(partition).epoch, ledger->head(partition).next_offset};
        to_reach.set(partition, head.size);
      }
    }
  }
  RETURN_IF_ERROR(write_file_durably(heads_path, format_heads(file.definition().name, heads)));
  return to_reach;
}

}  // namespace

absl::StatusOr<RestoreDone> restore_backup(const RestoreOptions& options) {
  std::error_code error;
  if (fs::exists(options.data_dir, error) && (!fs::is_directory(options.data_dir, error) || !fs::is_empty(options.data_dir, error)))
    return failed_precondition("{} is there, and not empty: move it away first; it may still hold what the backup does not",
                               options.data_dir);
  RestoreDone done;
  ASSIGN_OR_RETURN(done.info, find_backup(options));
  std::string data_dir = options.data_dir;
  while (data_dir.size() > 1 && data_dir.back() == '/') data_dir.pop_back();
  const std::string making = data_dir + ".restoring";
  fs::remove_all(making, error);
  if (error) return unavailable("{}: {}", making, error.message());
  RETURN_IF_ERROR(make_directories(making));
  RETURN_IF_ERROR(copy_back(options, done.info, making));
  RETURN_IF_ERROR(check_restored(making, done.info));
  RETURN_IF_ERROR(check_restored_reads(options, done.info, making));
  ASSIGN_OR_RETURN(done.to_reach, raise_heads(options, making));
  fs::rename(making, data_dir, error);
  if (error) return unavailable("rename {} to {}: {}", making, data_dir, error.message());
  const fs::path parent = fs::path(data_dir).parent_path();
  RETURN_IF_ERROR(sync_directory(parent.empty() ? "." : parent.string()));
  return done;
}

}  // namespace bukubesar
