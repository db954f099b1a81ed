#include "server/export_tlog.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "ledger/merkle.h"
#include "ledger/tlog_path.h"

namespace bukubesar {

namespace {

constexpr std::uint32_t kNoPayload = 0xFFFFFFFF;
constexpr std::size_t kBundleEntryBytes = 2 + kEntryBytes;

// One partition's files.
class PartitionExport {
 public:
  PartitionExport(LogReader& log, PartitionId partition, std::string directory, const Progress& progress, ExportedLog& done)
      : log_(log), partition_(partition), directory_(std::move(directory)), progress_(progress), done_(done) {}
  absl::StatusOr<std::uint64_t> run();

 private:
  absl::Status export_bundle(std::uint64_t index, unsigned width);
  // The entries of a bundle, each of 88 bytes.
  absl::StatusOr<std::vector<std::string_view>> split(std::uint64_t index, unsigned width, std::string_view bundle) const;
  absl::StatusOr<std::string> payloads_of(std::uint64_t first, const std::vector<std::string_view>& entries);
  [[nodiscard]] absl::Status check_payloads(std::uint64_t first, const std::vector<std::string_view>& entries, std::string_view file);
  absl::Status put_tiles();
  // Keeps a file whose content is this already.
  absl::Status put(const std::string& name, std::string_view content);
  absl::StatusOr<std::string> kept(const std::string& name) const { return read_file(directory_ + "/" + name); }

  LogReader& log_;
  const PartitionId partition_;
  const std::string directory_;
  const Progress& progress_;
  ExportedLog& done_;
  Frontier frontier_;
  std::map<unsigned, std::vector<Hash256>> levels_;  // hashes of level 1 and up, as they are completed
};

absl::Status PartitionExport::put(const std::string& name, std::string_view content) {
  const std::string path = directory_ + "/" + name;
  if (const auto old = read_file(path); old.ok() && *old == content) {
    ++done_.files_kept;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(make_directories(std::filesystem::path(path).parent_path().string()));
  RETURN_IF_ERROR(write_file_durably(path, content));
  ++done_.files_written;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string_view>> PartitionExport::split(std::uint64_t index, unsigned width, std::string_view bundle) const {
  const absl::Status wrong = data_loss("{}: entry bundle {} of width {} is no run of entries of 88 bytes", directory_, index, width);
  if (bundle.size() != width * kBundleEntryBytes) return wrong;
  std::vector<std::string_view> entries;
  for (unsigned i = 0; i < width; ++i) {
    if (load_be<std::uint16_t>(bundle.data() + i * kBundleEntryBytes) != kEntryBytes) return wrong;
    entries.push_back(bundle.substr(i * kBundleEntryBytes + 2, kEntryBytes));
  }
  return entries;
}

absl::Status PartitionExport::check_payloads(std::uint64_t first, const std::vector<std::string_view>& entries, std::string_view file) {
  ByteReader reader(file);
  std::uint64_t payloads = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto entry = decode_entry(entries[i]);
    if (!entry) return data_loss("{}/{}: the bytes are no entry of version 1", partition_.name(), first + i);
    const auto size = reader.be<std::uint32_t>();
    if (reader.ok() && size == kNoPayload) continue;
    const std::string_view payload = reader.take(size);
    if (!reader.ok() || payload.size() != entry->payload_size || sha256(payload) != entry->payload_hash)
      return data_loss("{}/{}: the payload is not the one that the entry names", partition_.name(), first + i);
    ++payloads;
  }
  if (!reader.at_end()) return data_loss("{}: payloads from {} on: bytes after the last one", directory_, first);
  done_.payloads += payloads;
  done_.hash_only += entries.size() - payloads;
  return absl::OkStatus();
}

absl::StatusOr<std::string> PartitionExport::payloads_of(std::uint64_t first, const std::vector<std::string_view>& entries) {
  std::string file;
  ASSIGN_OR_RETURN(const auto payloads, log_.payloads(partition_, Sequence(first), entries.size()));
  for (const std::optional<std::string>& payload : payloads) {
    append_be(file, payload ? static_cast<std::uint32_t>(payload->size()) : kNoPayload);
    if (payload) file += *payload;
  }
  return file;
}

absl::Status PartitionExport::export_bundle(std::uint64_t index, unsigned width) {
  const std::uint64_t first = index * kTileWidth;
  const std::string name = format_tile_path({true, 0, index, width});
  auto bundle = kept(name);
  if (!bundle.ok()) {
    ASSIGN_OR_RETURN(bundle, log_.entry_bundle(partition_, index, width));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string_view> entries, split(index, width, *bundle));
  std::string tile;
  std::vector<Subtree> completed;
  for (const std::string_view entry : entries) {
    const Hash256 leaf = leaf_hash(entry);
    tile += as_view(leaf);
    frontier_.append(leaf, completed);
  }
  for (const Subtree& subtree : completed) levels_[subtree.height / kTileHeight].push_back(subtree.hash);
  std::string payloads_name = name;
  payloads_name.replace(0, std::string_view("tile/entries").size(), "payloads");
  auto payloads = kept(payloads_name);
  if (!payloads.ok()) {
    ASSIGN_OR_RETURN(payloads, payloads_of(first, entries));
  }
  RETURN_IF_ERROR(check_payloads(first, entries, *payloads));
  RETURN_IF_ERROR(put(payloads_name, *payloads));
  RETURN_IF_ERROR(put(format_tile_path({false, 0, index, width}), tile));
  return put(name, *bundle);
}

absl::Status PartitionExport::put_tiles() {
  for (const auto& [level, hashes] : levels_)
    for (std::size_t first = 0; first < hashes.size(); first += kTileWidth) {
      const std::size_t width = std::min<std::size_t>(kTileWidth, hashes.size() - first);
      std::string tile;
      for (std::size_t i = 0; i < width; ++i) tile += as_view(hashes[first + i]);
      RETURN_IF_ERROR(put(format_tile_path({false, level, first / kTileWidth, static_cast<unsigned>(width)}), tile));
    }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> PartitionExport::run() {
  ASSIGN_OR_RETURN(const std::string note, log_.checkpoint(partition_, {}));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(note));
  for (std::uint64_t first = 0; first < checkpoint.size; first += kTileWidth) {
    if (progress_) progress_(fmt::format("exporting partition {}", partition_.name()), first, checkpoint.size);
    RETURN_IF_ERROR(export_bundle(first / kTileWidth, static_cast<unsigned>(std::min(kTileWidth, checkpoint.size - first))));
  }
  const Hash256 root = checkpoint.size == 0 ? empty_root() : frontier_.root();
  if (root != checkpoint.root)
    return data_loss(
        "{}: the {} entries have root {}, the checkpoint says {}: it is not written. A file of an earlier export may have changed: export "
        "into an empty directory",
        directory_, checkpoint.size, base64(as_view(root)), base64(as_view(checkpoint.root)));
  RETURN_IF_ERROR(put_tiles());
  RETURN_IF_ERROR(put("checkpoint", note));
  done_.entries += checkpoint.size;
  return checkpoint.size;
}

}  // namespace

absl::StatusOr<ExportedLog> export_tlog(LogReader& log, const std::string& directory, const Progress& progress) {
  ASSIGN_OR_RETURN(const std::string text, log.definition());
  ASSIGN_OR_RETURN(const Definition definition, parse_definition(text, "the ledger's definition"));
  if (const auto before = read_file(directory + "/definition.jsonl"); before.ok() && text.substr(0, before->size()) != *before)
    return failed_precondition("{} holds an export of another ledger: its definition does not begin as {}'s", directory, definition.name);
  RETURN_IF_ERROR(make_directories(directory + "/log"));
  RETURN_IF_ERROR(write_file_durably(directory + "/definition.jsonl", text));
  ExportedLog done;
  // First the cut note: every checkpoint that is read after it covers it.
  ASSIGN_OR_RETURN(const std::string cut_note, log.cut_note());
  for (const PartitionId partition : definition.all_partitions()) {
    PartitionExport part(log, partition, fmt::format("{}/log/{}", directory, partition.name()), progress, done);
    ASSIGN_OR_RETURN(const std::uint64_t size, part.run());
    done.cut.set(partition, size);
  }
  RETURN_IF_ERROR(write_file_durably(directory + "/log/cut", cut_note));
  ASSIGN_OR_RETURN(const std::string keys, log.verifier_keys());
  RETURN_IF_ERROR(write_file_durably(directory + "/vkeys", keys));
  for (std::string_view rest = keys; !rest.empty();) {
    const std::string_view key = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), key.size() + 1));
    const std::string_view origin = key.substr(0, key.find('+'));
    for (const PartitionId partition : definition.all_partitions())
      if (origin == definition.origin(partition))
        RETURN_IF_ERROR(write_file_durably(fmt::format("{}/log/{}/vkey", directory, partition.name()), fmt::format("{}\n", key)));
  }
  return done;
}

}  // namespace bukubesar
