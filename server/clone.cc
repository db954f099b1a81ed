#include "server/clone.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "config/definition.h"
#include "consumers/intake.h"
#include "events/payload.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"
#include "ledger/signer.h"
#include "ledger/statement.h"
#include "ledger/tlog_path.h"
#include "server/data_lock.h"
#include "server/payload_run.h"

namespace bukubesar {

namespace {

constexpr std::size_t kCommitBundles = 16;
constexpr std::size_t kCommitBytes = 16U << 20;

class Peer {
 public:
  explicit Peer(HttpClient client) : client_(std::move(client)) {}
  absl::StatusOr<std::string> get(const std::string& target) {
    ASSIGN_OR_RETURN(HttpResponse response, client_.get(target));
    RETURN_IF_ERROR(with_context(status_of(response), client_.url() + target));
    return std::move(response.body);
  }
  absl::StatusOr<std::string> tile(PartitionId partition, const TilePath& path) {
    return get(fmt::format("/log/{}/{}", partition.name(), format_tile_path(path)));
  }
  [[nodiscard]] const std::string& url() const { return client_.url(); }

 private:
  HttpClient client_;
};

std::vector<Hash256> hashes_of(std::string_view bytes) {
  std::vector<Hash256> hashes(bytes.size() / sizeof(Hash256));
  for (std::size_t i = 0; i < hashes.size(); ++i)
    std::copy_n(bytes.data() + i * sizeof(Hash256), sizeof(Hash256), reinterpret_cast<char*>(hashes[i].data()));
  return hashes;
}

// The peer's tree of one signed size: the roots of its bundles, and the leaves of the last, partial one.
class SignedTree : public SubtreeSource {
 public:
  absl::Status read(Peer& peer, PartitionId partition, const Checkpoint& signed_head) {
    size_ = signed_head.size;
    const std::uint64_t bundles = size_ / kTileWidth;
    for (std::uint64_t tile = 0; tile * kTileWidth < bundles; ++tile) {
      const auto width = static_cast<unsigned>(std::min<std::uint64_t>(kTileWidth, bundles - tile * kTileWidth));
      ASSIGN_OR_RETURN(const std::string bytes, peer.tile(partition, {false, 1, tile, width}));
      if (bytes.size() != width * sizeof(Hash256))
        return invalid_argument("partition {}: tile 1/{} of {} has {} bytes", partition.name(), tile, peer.url(), bytes.size());
      const std::vector<Hash256> hashes = hashes_of(bytes);
      bundle_roots_.insert(bundle_roots_.end(), hashes.begin(), hashes.end());
    }
    if (const auto rest = static_cast<unsigned>(size_ % kTileWidth); rest > 0) {
      ASSIGN_OR_RETURN(const std::string bytes, peer.tile(partition, {false, 0, bundles, rest}));
      if (bytes.size() != rest * sizeof(Hash256))
        return invalid_argument("partition {}: tile 0/{} of {} has {} bytes", partition.name(), bundles, peer.url(), bytes.size());
      last_leaves_ = hashes_of(bytes);
    }
    ASSIGN_OR_RETURN(const Hash256 root, tree_root(*this, size_));
    if (root == signed_head.root) return absl::OkStatus();
    return invalid_argument("partition {}: the tiles of {} give root {} for {} entries, its signed head says {}", partition.name(),
                            peer.url(), base64(as_view(root)), size_, base64(as_view(signed_head.root)));
  }

  absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) override {
    const std::vector<Hash256>& from = height >= kTileHeight ? bundle_roots_ : last_leaves_;
    const unsigned above = height >= kTileHeight ? height - kTileHeight : height;
    const std::uint64_t base = height >= kTileHeight ? 0 : size_ / kTileWidth * kTileWidth;
    const std::uint64_t first = (index << above) - base;
    if (first + (std::uint64_t{1} << above) > from.size()) return invalid_argument("no subtree {} of height {}", index, height);
    std::vector<Hash256> hashes(from.begin() + static_cast<std::ptrdiff_t>(first),
                                from.begin() + static_cast<std::ptrdiff_t>(first + (std::uint64_t{1} << above)));
    for (std::size_t width = hashes.size(); width > 1; width /= 2)
      for (std::size_t i = 0; i < width / 2; ++i) hashes[i] = node_hash(hashes[2 * i], hashes[2 * i + 1]);
    return hashes[0];
  }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Of a whole bundle; for the last, partial one its leaves say.
  [[nodiscard]] const std::vector<Hash256>& bundle_roots() const { return bundle_roots_; }
  [[nodiscard]] const std::vector<Hash256>& last_leaves() const { return last_leaves_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash256> bundle_roots_, last_leaves_;
};

// One partition, bundle by bundle.
class PartitionClone {
 public:
  PartitionClone(Peer& peer, Ledger& ledger, PartitionId id, CloneDone& done, const Progress& progress)
      : peer_(peer), ledger_(ledger), id_(id), name_(id.name()), done_(done), progress_(progress) {}

  absl::Status run(const Checkpoint& head) {
    RETURN_IF_ERROR(tree_.read(peer_, id_, head));
    RETURN_IF_ERROR(check_what_is_here(head));
    PartitionHead here = ledger_.head(id_);
    start_batch(here);
    while (next() < tree_.size()) {
      if (const absl::Status taken = take_bundle(next() / kTileWidth); !taken.ok()) {
        RETURN_IF_ERROR(commit());  // what came before it is whole, and not asked for again
        return taken;
      }
      if (bundles_ >= kCommitBundles || bytes_ >= kCommitBytes || next() >= tree_.size()) RETURN_IF_ERROR(commit());
      if (progress_) progress_("cloning partition " + name_, next(), tree_.size());
    }
    here = ledger_.head(id_);
    ASSIGN_OR_RETURN(const Hash256 root, ledger_.root(id_, head.size));
    if (root != head.root)
      return data_loss("partition {}: cloned, {} entries have root {}, the signed head says {}", name_, head.size, base64(as_view(root)),
                       base64(as_view(head.root)));
    done_.cut.set(id_, here.size);
    return absl::OkStatus();
  }

 private:
  [[nodiscard]] std::uint64_t next() const { return batch_->first.value() + batch_->entries.size(); }

  // What an earlier run stored, or whatever else stands in the directory, is under the signed head too.
  absl::Status check_what_is_here(const Checkpoint& head) {
    const std::uint64_t size = ledger_.head(id_).size;
    const std::uint64_t whole = std::min(size, head.size) / kTileWidth * kTileWidth;
    const std::uint64_t compared = size >= head.size ? head.size : whole;
    ASSIGN_OR_RETURN(const Hash256 ours, ledger_.root(id_, compared));
    ASSIGN_OR_RETURN(const Hash256 theirs, compared == 0 ? absl::StatusOr<Hash256>(empty_root()) : tree_root(tree_, compared));
    if (ours == theirs) return absl::OkStatus();
    return failed_precondition("partition {}: the first {} entries here have root {}, under the signed head {}: another history", name_,
                               compared, base64(as_view(ours)), base64(as_view(theirs)));
  }

  void start_batch(const PartitionHead& head) {
    commit_ = std::make_shared<Commit>();
    commit_->parts.emplace_back();
    batch_ = &commit_->parts.back();
    batch_->partition = id_;
    batch_->first = Sequence(head.size);
    batch_->epoch = head.epoch;
    batch_->next_offset = head.next_offset;
    bundles_ = bytes_ = 0;
  }

  absl::Status commit() {
    if (batch_->entries.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(with_context(ledger_.commit(*commit_).status(), fmt::format("{}:{}", name_, batch_->first.value())));
    RETURN_IF_ERROR(ledger_.record_heads(false));
    start_batch(ledger_.head(id_));
    return absl::OkStatus();
  }

  absl::Status take_bundle(std::uint64_t index) {
    const std::uint64_t first = index * kTileWidth;
    const auto width = static_cast<unsigned>(std::min<std::uint64_t>(kTileWidth, tree_.size() - first));
    ASSIGN_OR_RETURN(auto bundle, peer_.tile(id_, {true, 0, index, width}));
    const auto bytes = std::make_shared<const std::string>(std::move(bundle));
    ASSIGN_OR_RETURN(const std::vector<std::string_view> entries, entries_of(*bytes, index, width));
    RETURN_IF_ERROR(check_leaves(index, entries));
    // Entries of the bundle that are here already were under the same root, or are compared below.
    const std::uint64_t begin = next() - first;
    for (std::uint64_t i = 0; i < begin; ++i) RETURN_IF_ERROR(check_same(first + i, entries[i]));
    for (std::uint64_t at = begin; at < width;) {
      ASSIGN_OR_RETURN(auto body, peer_.get(fmt::format("/v1/payloads/{}?first={}&limit={}", name_, first + at, width - at)));
      const auto run_bytes = std::make_shared<const std::string>(std::move(body));
      ASSIGN_OR_RETURN(const std::vector<RunPayload> run, decode_payload_run(*run_bytes));
      if (run.empty() || run.size() > width - at)
        return invalid_argument("{}:{}: {} gave {} payloads, not {}", name_, first + at, peer_.url(), run.size(), width - at);
      for (const RunPayload& payload : run) RETURN_IF_ERROR(add(entries[at++], payload));
      batch_->keep_alive.push_back(run_bytes);
      bytes_ += run_bytes->size();
    }
    ++bundles_;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string_view>> entries_of(std::string_view bytes, std::uint64_t index, unsigned width) const {
    std::vector<std::string_view> entries;
    ByteReader reader(bytes);
    while (reader.ok() && !reader.at_end()) entries.push_back(reader.take(reader.be<std::uint16_t>()));
    const bool whole = reader.ok() && entries.size() == width &&
                       std::all_of(entries.begin(), entries.end(), [](std::string_view entry) { return entry.size() == kEntryBytes; });
    if (!whole) return invalid_argument("partition {}: entry bundle {} of {} is none of {} entries", name_, index, peer_.url(), width);
    return entries;
  }

  // The bundle is the one under the signed head; else the first entry that is not.
  absl::Status check_leaves(std::uint64_t index, const std::vector<std::string_view>& entries) {
    Frontier frontier;
    std::vector<Subtree> completed;
    for (const std::string_view entry : entries) frontier.append(leaf_hash(entry), completed);
    if (entries.size() == kTileWidth && frontier.root() == tree_.bundle_roots()[index]) return absl::OkStatus();
    std::vector<Hash256> leaves = tree_.last_leaves();
    if (entries.size() == kTileWidth) {
      ASSIGN_OR_RETURN(const std::string tile, peer_.tile(id_, {false, 0, index, kTileWidth}));
      leaves = hashes_of(tile);
      Frontier of_tile;
      for (const Hash256& leaf : leaves) of_tile.append(leaf, completed);
      if (leaves.size() != kTileWidth || of_tile.root() != tree_.bundle_roots()[index])
        return invalid_argument("partition {}: tile 0/{} of {} is not under the signed head", name_, index, peer_.url());
    }
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (leaf_hash(entries[i]) != leaves[i])
        return invalid_argument("{}:{}: the entry that {} gives is not under its signed head: leaf want {} got {}", name_,
                                index * kTileWidth + i, peer_.url(), base64(as_view(leaves[i])), base64(as_view(leaf_hash(entries[i]))));
    return absl::OkStatus();
  }

  absl::Status check_same(std::uint64_t sequence, std::string_view entry) {
    ASSIGN_OR_RETURN(const std::vector<Entry> here, ledger_.read_entries(id_, Sequence(sequence), 1));
    if (!here.empty() && as_view(encode_entry(here.front())) == entry) return absl::OkStatus();
    return failed_precondition("{}:{}: the entry here is not the one under the signed head: another history", name_, sequence);
  }

  absl::Status add(std::string_view bytes, const RunPayload& given) {
    const std::uint64_t sequence = next();
    const auto entry = decode_entry(bytes);
    if (!entry) return invalid_argument("{}:{}: the bytes are no entry of version 1", name_, sequence);
    if (given.payload && (given.payload->size() != entry->payload_size || sha256(*given.payload) != entry->payload_hash))
      return invalid_argument("{}:{}: the payload that {} gives is not the entry's: SHA-256 want {} got {}", name_, sequence, peer_.url(),
                              hex(as_view(entry->payload_hash)), hex(as_view(sha256(*given.payload))));
    if (!given.payload && given.redaction == nullptr && entry->payload_size <= kPayloadBytesMax)
      return invalid_argument("{}:{}: {} does not give its payload of {} bytes", name_, sequence, peer_.url(), entry->payload_size);
    if (entry->kind == EntryKind::source_statement) {
      const auto stated = given.payload ? parse_statement_payload(*given.payload) : std::nullopt;
      if (!stated) return invalid_argument("{}:{}: its payload is no source statement", name_, sequence);
      batch_->epoch = entry->epoch;
      batch_->next_offset = stated->first_offset;
    } else {
      if (entry->offset > batch_->next_offset) batch_->gaps.push_back({batch_->epoch, batch_->next_offset, entry->offset});
      batch_->next_offset = entry->offset + 1;
    }
    if (given.redaction != nullptr) {
      batch_->redactions[batch_->entries.size()] = given.redaction;
      ++done_.erased;
    }
    done_.payloads += given.payload ? 1 : 0;
    ++done_.entries;
    batch_->entries.push_back(*entry);
    batch_->payloads.push_back(given.payload.value_or(std::string_view()));
    batch_->events.push_back(nullptr);
    return absl::OkStatus();
  }

  Peer& peer_;
  Ledger& ledger_;
  const PartitionId id_;
  const std::string name_;
  CloneDone& done_;
  const Progress& progress_;
  SignedTree tree_;
  std::shared_ptr<Commit> commit_;
  PartitionBatch* batch_ = nullptr;
  std::size_t bundles_ = 0, bytes_ = 0;
};

// Lines are only ever added: what stands here begins what the peer has.
absl::StatusOr<DefinitionFile> take_definition(Peer& peer, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string theirs, peer.get("/v1/definition"));
  RETURN_IF_ERROR(parse_definition(theirs, peer.url() + "/v1/definition").status());
  const auto ours = read_file(path);
  if (!ours.ok() && !absl::IsNotFound(ours.status())) return ours.status();
  if (ours.ok() && !theirs.starts_with(*ours))
    return failed_precondition("{} does not begin what {}/v1/definition says: another ledger, or a line that the peer does not have yet",
                               path, peer.url());
  if (!ours.ok() || *ours != theirs) RETURN_IF_ERROR(write_file_durably(path, theirs));
  return DefinitionFile::load(path);
}

absl::StatusOr<Checkpoint> signed_head(Peer& peer, const std::string& origin, PartitionId partition,
                                       const std::vector<std::string>& verifier_keys) {
  const auto key =
      std::find_if(verifier_keys.begin(), verifier_keys.end(), [&](const auto& each) { return each.starts_with(origin + "+"); });
  if (key == verifier_keys.end())
    return invalid_argument(
        "no --vkey is of {}: give the verifier key of each partition, had from the ledger's operator, not from the peer", origin);
  ASSIGN_OR_RETURN(const std::string note, peer.get(fmt::format("/log/{}/checkpoint", partition.name())));
  RETURN_IF_ERROR(with_context(verify_note(note, *key), fmt::format("the checkpoint of {}", origin)));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(note));
  if (checkpoint.origin != origin) return invalid_argument("{} gives a checkpoint of {}, not of {}", peer.url(), checkpoint.origin, origin);
  return checkpoint;
}

}  // namespace

absl::StatusOr<CloneDone> clone_ledger(const CloneOptions& options) {
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(options.client));
  Peer peer(std::move(client));
  RETURN_IF_ERROR(make_directories(options.data_dir));
  ASSIGN_OR_RETURN(const DataLock lock, DataLock::take(options.data_dir));
  ASSIGN_OR_RETURN(const DefinitionFile file, take_definition(peer, options.data_dir + "/definition.jsonl"));
  const Definition& definition = file.definition();
  CloneDone done;
  done.ledger = definition.name;
  done.definition_sha256 = hex(as_view(sha256(definition.text)));
  const SourceStatement* source = definition.source_of(PartitionId(0));
  done.embedded = source != nullptr && source->cluster == kEmbeddedCluster;
  // Every head before any entry: a key that is missing should not show after hours.
  std::map<PartitionId, Checkpoint> heads;
  for (const PartitionId partition : definition.all_partitions()) {
    ASSIGN_OR_RETURN(heads[partition], signed_head(peer, definition.origin(partition), partition, options.verifier_keys));
  }
  LedgerOptions opening;
  opening.directory = options.data_dir + "/ledger";
  opening.progress = options.progress;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::open(std::move(opening), definition));
  for (const PartitionId partition : definition.all_partitions())
    RETURN_IF_ERROR(PartitionClone(peer, *ledger, partition, done, options.progress).run(heads[partition]));
  RETURN_IF_ERROR(ledger->record_heads(true));
  return done;
}

}  // namespace bukubesar
