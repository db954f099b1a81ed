#include "ledger/verify.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"
#include "ledger/signer.h"
#include "ledger/statement.h"

namespace bukubesar {

namespace {

std::string short_hex(std::string_view bytes) { return hex(bytes.substr(0, 8)) + "…"; }

// "The first `size` entries have this root", said by a checkpoint, a cut note or the heads file.
struct RootClaim {
  Hash256 root{};
  std::string place;
};
using RootClaims = std::map<PartitionId, std::multimap<std::uint64_t, RootClaim>>;

}  // namespace

class LedgerVerifier {
 public:
  LedgerVerifier(const Ledger& ledger, const Definition& definition, const VerifyVisitor& visit, const Progress& progress)
      : ledger_(ledger), impl_(*ledger.impl_), definition_(definition), visit_(visit), progress_(progress) {}

  VerifyReport run(const std::string& key_file);

 private:
  class PartitionPass;

  void find(std::string place, std::string what) {
    if (report_.findings.size() < kVerifyFindingsMax)
      report_.findings.push_back({std::move(place), std::move(what)});
    else
      ++report_.findings_left_out;
  }
  void find(std::string place, const absl::Status& status) { find(std::move(place), message_of(status)); }
  void claim(PartitionId partition, std::uint64_t size, const Hash256& root, std::string place);
  void read_checkpoints(const SigningKeys* keys);
  void check_checkpoint(std::string_view key, std::string_view note, const SigningKeys* keys);
  void check_cut_note(std::uint64_t number, std::string_view value, const SigningKeys* keys);
  void read_heads_file();
  void check_claims_beyond(const std::map<PartitionId, PartitionHead>& heads);
  void check_no_other_rows(Family family);
  void check_meta_rows();

  const Ledger& ledger_;
  const Ledger::Impl& impl_;
  const Definition& definition_;
  const VerifyVisitor& visit_;
  const Progress& progress_;
  VerifyReport report_;
  RootClaims claims_;
  std::uint64_t recorded_cut_notes_ = 0;
  std::map<std::pair<PartitionId, std::uint64_t>, std::uint64_t> first_cut_notes_;  // what the index rows say
};

// One partition, from its first row to its last.
class LedgerVerifier::PartitionPass {
 public:
  PartitionPass(LedgerVerifier& verifier, PartitionId id, const PartitionHead& head)
      : verifier_(verifier), impl_(verifier.impl_), id_(id), name_(id.name()), head_(head) {
    now_.next_offset = impl_.find(id)->first_offset;
    now_.root = empty_root();
    ids_.reserve(head.counts.accepted);
  }
  void run();

 private:
  void find(std::uint64_t sequence, std::string what) { verifier_.find(fmt::format("{}:{}", name_, sequence), std::move(what)); }
  std::shared_ptr<const PayloadChunk> payloads_beside(StoreCursor& payloads, std::string_view key);
  void take_chunk(EntryChunk chunk, const std::shared_ptr<const PayloadChunk>& payloads);
  void take_entry(std::uint64_t sequence, const Entry& entry, const std::optional<std::string_view>* payload);
  void check_payload(std::uint64_t sequence, const Entry& entry, const std::optional<std::string_view>& payload);
  void check_statement(std::uint64_t sequence, const Entry& entry, const std::optional<std::string_view>* payload);
  void check_offset(std::uint64_t sequence, const Entry& entry);
  void check_id(std::uint64_t sequence, const Entry& entry);
  void check_claims_here();
  void check_tree();
  void check_offsets();
  void check_head();

  LedgerVerifier& verifier_;
  const Ledger::Impl& impl_;
  const PartitionId id_;
  const std::string name_;
  const PartitionHead head_;  // what the ledger says
  PartitionHead now_;         // what its entries say
  Frontier frontier_;
  bool whole_ = true;  // false: entries are missing, so the tree cannot be rebuilt beyond
  std::vector<Subtree> completed_;
  std::vector<OffsetRun> runs_;
  IdTable ids_;
};

void LedgerVerifier::PartitionPass::run() {
  const auto entries = impl_.store->cursor(Family::entries, chunk_key(id_, Sequence(0)), /*bulk=*/true);
  const auto payloads = impl_.store->cursor(Family::payloads, chunk_key(id_, Sequence(0)), /*bulk=*/true);
  ProgressMeter meter(verifier_.progress_, fmt::format("verifying partition {}", name_), head_.size);
  check_claims_here();
  for (; entries->valid(); entries->next()) {
    const auto key = parse_chunk_key(entries->key());
    if (!key) find(now_.size, fmt::format("a row of entries whose key is damaged: {}", hex(entries->key())));
    if (!key || key->partition != id_) break;
    if (key->first.value() >= head_.size) {
      // A commit that came while we read is no damage.
      if (key->first.value() >= verifier_.ledger_.head(id_).size) find(key->first.value(), "a row of entries beyond the head");
      break;
    }
    if (key->first.value() != now_.size) {
      find(now_.size, fmt::format("I1: the next row of entries begins at {}", key->first.value()));
      whole_ = false;
      if (key->first.value() < now_.size) continue;
      now_.size = key->first.value();
    }
    auto chunk = decode_entry_chunk(key->first, entries->value());
    if (!chunk.ok()) {
      find(now_.size, message_of(chunk.status()));
      whole_ = false;
      const auto header = decode_entry_chunk_header(entries->value());
      if (header.ok()) now_.size += header->count;
      continue;
    }
    take_chunk(*std::move(chunk), payloads_beside(*payloads, entries->key()));
    meter.at(now_.size);
  }
  if (!entries->status().ok()) {
    find(now_.size, message_of(entries->status()));
    whole_ = false;
  }
  if (now_.size < head_.size && entries->status().ok())
    find(now_.size, fmt::format("I1: the entries end here, the head says {}", head_.size));
  check_tree();
  check_offsets();
  check_head();
}

// The payload row with the same key; what stands before it belongs to no entries.
std::shared_ptr<const PayloadChunk> LedgerVerifier::PartitionPass::payloads_beside(StoreCursor& payloads, std::string_view key) {
  for (; payloads.valid() && payloads.key() < key; payloads.next()) {
    const auto stray = parse_chunk_key(payloads.key());
    find(stray ? stray->first.value() : now_.size, "a row of payloads without its row of entries");
  }
  if (!payloads.status().ok()) {
    find(now_.size, fmt::format("payloads: {}", message_of(payloads.status())));
    return nullptr;
  }
  if (!payloads.valid() || payloads.key() != key) {
    find(now_.size, "no row of payloads");
    return nullptr;
  }
  auto chunk = decode_payload_chunk(Sequence(now_.size), payloads.value());
  payloads.next();
  if (chunk.ok()) return *std::move(chunk);
  find(now_.size, message_of(chunk.status()));
  return nullptr;
}

void LedgerVerifier::PartitionPass::take_chunk(EntryChunk chunk, const std::shared_ptr<const PayloadChunk>& payloads) {
  if (chunk.ledger_time_before_ms != now_.ledger_time_ms)
    find(now_.size, fmt::format("ledger time before it want {} got {}", now_.ledger_time_ms, chunk.ledger_time_before_ms));
  if (payloads != nullptr && payloads->payloads.size() != chunk.count())
    find(now_.size, fmt::format("{} payloads beside {} entries", payloads->payloads.size(), chunk.count()));
  StoredRun run;
  for (std::size_t i = 0; i < chunk.count(); ++i) {
    const std::uint64_t sequence = now_.size;
    const auto entry = decode_entry(chunk.entry(i));
    const auto* payload = payloads != nullptr && i < payloads->payloads.size() ? &payloads->payloads[i] : nullptr;
    if (entry)
      take_entry(sequence, *entry, payload);
    else
      find(sequence, "the bytes are no entry of version 1");
    if (entry && payload != nullptr) run.entries.push_back({Sequence(sequence), *entry, *payload});
    if (whole_) frontier_.append(leaf_hash(chunk.entry(i)), completed_);
    ++now_.size;
    ++verifier_.report_.entries;
    check_claims_here();
  }
  run.keep_alive = payloads;
  if (verifier_.visit_ && !run.entries.empty()) verifier_.visit_(id_, run);
}

void LedgerVerifier::PartitionPass::take_entry(std::uint64_t sequence, const Entry& entry, const std::optional<std::string_view>* payload) {
  if (payload != nullptr) check_payload(sequence, entry, *payload);
  now_.ledger_time_ms = ledger_time_after(impl_.clock, now_.ledger_time_ms, entry);
  if (entry.kind == EntryKind::source_statement) {
    ++now_.counts.statements;
    check_statement(sequence, entry, payload);
    return;
  }
  check_offset(sequence, entry);
  if (entry.verdict == Verdict::rejected) {
    ++now_.counts.rejected;
    return;
  }
  ++(entry.verdict == Verdict::accepted ? now_.counts.accepted : now_.counts.duplicate);
  check_id(sequence, entry);
}

void LedgerVerifier::PartitionPass::check_payload(std::uint64_t sequence, const Entry& entry,
                                                  const std::optional<std::string_view>& payload) {
  if (!payload) {
    ++verifier_.report_.hash_only;
    if (entry.payload_size <= kPayloadBytesMax) find(sequence, fmt::format("its payload of {} bytes is not kept", entry.payload_size));
    return;
  }
  ++verifier_.report_.payloads;
  verifier_.report_.payload_bytes += payload->size();
  if (payload->size() != entry.payload_size)
    find(sequence, fmt::format("payload size want {} got {}", entry.payload_size, payload->size()));
  if (const Hash256 hash = sha256(*payload); hash != entry.payload_hash)
    find(sequence, fmt::format("payload hash want {} got {}", short_hex(as_view(entry.payload_hash)), short_hex(as_view(hash))));
}

void LedgerVerifier::PartitionPass::check_statement(std::uint64_t sequence, const Entry& entry,
                                                    const std::optional<std::string_view>* payload) {
  if (entry.epoch != now_.epoch + 1)
    find(sequence, fmt::format("I3: a source statement of epoch {} in epoch {}", entry.epoch.value(), now_.epoch.value()));
  now_.epoch = entry.epoch;
  const auto stated = payload != nullptr && *payload ? parse_statement_payload(**payload) : std::nullopt;
  if (!stated) {
    if (payload != nullptr) find(sequence, "the payload of the source statement is no line of a definition");
    return;
  }
  now_.next_offset = stated->first_offset;
  const SourceStatement* line = verifier_.definition_.source_of(id_, entry.epoch);
  if (line == nullptr)
    find(sequence, fmt::format("the definition has no source line for epoch {}", entry.epoch.value()));
  else if (line->line != stated->line)
    find(sequence, "the source statement is not the definition's line");
  if (stated->size != sequence || (whole_ && stated->root != frontier_.root()))
    find(sequence, fmt::format("the source statement continues from {} entries with another root", stated->size));
}

void LedgerVerifier::PartitionPass::check_offset(std::uint64_t sequence, const Entry& entry) {
  ++now_.records;
  if (entry.epoch != now_.epoch) {
    find(sequence, fmt::format("I3: a record of epoch {} in epoch {}", entry.epoch.value(), now_.epoch.value()));
    now_.epoch = entry.epoch;
    now_.next_offset = entry.offset;
  }
  if (entry.offset < now_.next_offset)
    find(sequence, fmt::format("I3: offset {} comes after {}", entry.offset.value(), now_.next_offset.value() - 1));
  if (entry.offset > now_.next_offset) {
    const auto count = static_cast<std::uint64_t>(entry.offset - now_.next_offset);
    runs_.push_back({id_, entry.epoch, now_.next_offset, /*gap=*/true, Sequence(0), count});
    now_.gap_offsets += count;
  }
  const bool continues = !runs_.empty() && !runs_.back().gap && runs_.back().epoch == entry.epoch && entry.offset == now_.next_offset &&
                         runs_.back().sequence.value() + runs_.back().count == sequence;
  if (continues)
    ++runs_.back().count;
  else
    runs_.push_back({id_, entry.epoch, entry.offset, /*gap=*/false, Sequence(sequence), 1});
  now_.next_offset = entry.offset + 1;
}

// I4: accepted once; a duplicate names the first.
void LedgerVerifier::PartitionPass::check_id(std::uint64_t sequence, const Entry& entry) {
  std::optional<Sequence> first;
  for (const Sequence candidate : ids_.candidates(entry.fingerprint)) {
    const auto earlier = impl_.entry(id_, candidate);
    if (!earlier.ok()) {
      find(candidate.value(), message_of(earlier.status()));
      continue;
    }
    if (earlier->fingerprint == entry.fingerprint) first = candidate;
  }
  if (entry.verdict == Verdict::accepted) {
    if (first) find(sequence, fmt::format("I4: accepted, but {}:{} accepted this event already", name_, first->value()));
    ids_.insert(entry.fingerprint, Sequence(sequence));
  } else if (first != entry.duplicate_of) {
    find(sequence, fmt::format("I4: duplicate of {}, the first is {}", entry.duplicate_of.value(),
                               first ? std::to_string(first->value()) : "nowhere before it"));
  }
}

void LedgerVerifier::PartitionPass::check_claims_here() {
  if (!whole_ || frontier_.size() != now_.size) return;
  const auto claims = verifier_.claims_.find(id_);
  if (claims == verifier_.claims_.end()) return;
  const auto [begin, end] = claims->second.equal_range(now_.size);
  for (auto claim = begin; claim != end; ++claim)
    if (const Hash256 root = frontier_.root(); claim->second.root != root)
      verifier_.find(claim->second.place,
                     fmt::format("root want {} got {}", short_hex(as_view(root)), short_hex(as_view(claim->second.root))));
}

void LedgerVerifier::PartitionPass::check_tree() {
  if (!whole_) return;
  std::stable_sort(completed_.begin(), completed_.end(), [](const Subtree& a, const Subtree& b) { return a.height < b.height; });
  const auto rows = impl_.store->cursor(Family::tree, tree_key(id_, 1, 0), /*bulk=*/true);
  const auto place = [&](unsigned level, std::uint64_t index) { return fmt::format("{} tree level {} index {}", name_, level, index); };
  auto want = completed_.begin();
  for (; rows->valid(); rows->next()) {
    const auto key = parse_tree_key(rows->key());
    if (!key) verifier_.find(fmt::format("{} tree", name_), fmt::format("a row whose key is damaged: {}", hex(rows->key())));
    if (!key || key->partition != id_) break;
    // Rows of commits that came while we read stand behind those of their level.
    const std::uint64_t there = verifier_.ledger_.head(id_).size >> std::min(63U, key->level * kTileHeight);
    if (want == completed_.end() || tree_key(id_, want->height / kTileHeight, want->index) != rows->key()) {
      if (key->index >= there) verifier_.find(place(key->level, key->index), "a row beyond the tree");
      if (key->index >= (head_.size >> std::min(63U, key->level * kTileHeight))) continue;
      verifier_.find(place(key->level, key->index), "rows before it are missing, or it is one too many");
      return;
    }
    if (rows->value() != as_view(want->hash))
      verifier_.find(place(key->level, key->index),
                     fmt::format("want {} got {}", short_hex(as_view(want->hash)), short_hex(rows->value())));
    ++want;
  }
  if (!rows->status().ok())
    verifier_.find(fmt::format("{} tree", name_), rows->status());
  else if (want != completed_.end())
    verifier_.find(place(want->height / kTileHeight, want->index), "the row is missing");
}

void LedgerVerifier::PartitionPass::check_offsets() {
  const auto rows = impl_.store->cursor(Family::offsets, offset_key(id_, Epoch(0), Offset(0)), /*bulk=*/true);
  // Stored runs end with each commit; ours only where offsets or sequences jump.
  std::size_t at = 0;
  std::uint64_t in_run = 0;
  for (; rows->valid() && at < runs_.size(); rows->next()) {
    const auto stored = parse_offset_run(rows->key(), rows->value());
    if (stored && stored->partition != id_) break;
    const OffsetRun& run = runs_[at];
    OffsetRun want = run;
    want.first = run.first + static_cast<std::int64_t>(in_run);
    if (!run.gap) want.sequence = run.sequence + in_run;
    want.count = run.count - in_run;
    const bool fits = stored && stored->gap == want.gap && stored->epoch == want.epoch && stored->first == want.first &&
                      stored->sequence == want.sequence && (run.gap ? stored->count == want.count : stored->count <= want.count);
    if (!fits) {
      verifier_.find(fmt::format("{} offsets epoch {} offset {}", name_, want.epoch.value(), want.first.value()),
                     "the stored run of offsets is not what the entries say");
      return;
    }
    in_run += stored->count;
    if (in_run == run.count) {
      ++at;
      in_run = 0;
    }
  }
  if (!rows->status().ok()) {
    verifier_.find(fmt::format("{} offsets", name_), rows->status());
    return;
  }
  if (at < runs_.size()) {
    verifier_.find(fmt::format("{} offsets epoch {} offset {}", name_, runs_[at].epoch.value(), runs_[at].first.value()),
                   "the run of offsets is not stored");
    return;
  }
  const auto beyond = rows->valid() ? parse_offset_run(rows->key(), rows->value()) : std::nullopt;
  if (beyond && beyond->partition == id_ && verifier_.ledger_.head(id_).size == head_.size)
    verifier_.find(fmt::format("{} offsets epoch {} offset {}", name_, beyond->epoch.value(), beyond->first.value()),
                   "a run beyond the head");
}

void LedgerVerifier::PartitionPass::check_head() {
  now_.root = frontier_.root();
  const auto compare = [&](std::string_view what, auto want, auto got) {
    if (want != got) verifier_.find(fmt::format("{} head", name_), fmt::format("{} want {} got {}", what, want, got));
  };
  compare("size", now_.size, head_.size);
  if (whole_) compare("root", short_hex(as_view(now_.root)), short_hex(as_view(head_.root)));
  compare("epoch", now_.epoch.value(), head_.epoch.value());
  compare("next_offset", now_.next_offset.value(), head_.next_offset.value());
  compare("ledger time", now_.ledger_time_ms, head_.ledger_time_ms);
  compare("accepted", now_.counts.accepted, head_.counts.accepted);
  compare("duplicate", now_.counts.duplicate, head_.counts.duplicate);
  compare("rejected", now_.counts.rejected, head_.counts.rejected);
  compare("statements", now_.counts.statements, head_.counts.statements);
  compare("records", now_.records, head_.records);
  compare("gap offsets", now_.gap_offsets, head_.gap_offsets);
}

void LedgerVerifier::claim(PartitionId partition, std::uint64_t size, const Hash256& root, std::string place) {
  auto& of_partition = claims_[partition];
  const auto [begin, end] = of_partition.equal_range(size);
  // Cut notes repeat what checkpoints say: once is enough.
  if (std::any_of(begin, end, [&](const auto& claim) { return claim.second.root == root; })) return;
  of_partition.emplace(size, RootClaim{root, std::move(place)});
}

void LedgerVerifier::check_checkpoint(std::string_view key, std::string_view note, const SigningKeys* keys) {
  const auto parsed_key = parse_checkpoint_key('c', key);
  if (!parsed_key || impl_.find(parsed_key->partition) == nullptr)
    return find("checkpoints", fmt::format("a key that names none: {}", hex(key)));
  ++report_.checkpoints;
  const std::string place = fmt::format("checkpoint {}/{}", parsed_key->partition.name(), parsed_key->size);
  const std::string origin = fmt::format("{}/{}", impl_.name, parsed_key->partition.name());
  const auto checkpoint = parse_checkpoint(note);
  if (!checkpoint.ok()) return find(place, checkpoint.status());
  if (checkpoint->origin != origin || checkpoint->size != parsed_key->size)
    return find(place, fmt::format("holds the checkpoint {} of {}", checkpoint->size, checkpoint->origin));
  claim(parsed_key->partition, checkpoint->size, checkpoint->root, place);
  if (keys == nullptr) return;
  if (const absl::Status signature = verify_note(note, keys->verifier_key(origin)); !signature.ok()) find(place, signature);
}

void LedgerVerifier::check_cut_note(std::uint64_t number, std::string_view value, const SigningKeys* keys) {
  const std::string place = fmt::format("cut note {}", number);
  const auto stored = parse_cut_note_value(value);
  if (!stored) return find(place, "damaged");
  const auto note = parse_cut_note(stored->note);
  if (!note.ok()) return find(place, note.status());
  Cut listed;
  for (const Checkpoint& part : note->parts) {
    const std::size_t slash = part.origin.rfind('/');
    const auto partition = slash == std::string::npos ? std::nullopt : PartitionId::parse(std::string_view(part.origin).substr(slash + 1));
    if (!partition || impl_.find(*partition) == nullptr || part.origin != fmt::format("{}/{}", impl_.name, partition->name()))
      return find(place, fmt::format("lists {}, which is no partition of {}", part.origin, impl_.name));
    listed.set(*partition, part.size);
    claim(*partition, part.size, part.root, place);
    const auto first = first_cut_notes_.find({*partition, part.size});
    if (first == first_cut_notes_.end() || first->second > number)
      find(place, fmt::format("the index does not know that it is the first to list {}/{}", partition->name(), part.size));
  }
  if (listed != stored->cut) find(place, fmt::format("stored for the cut {}, the note lists {}", stored->cut.text(), listed.text()));
  if (note->name != cut_note_origin(impl_.name)) find(place, fmt::format("is of {}", note->name));
  if (keys == nullptr) return;
  if (const absl::Status signature = verify_note(stored->note, keys->verifier_key(note->name)); !signature.ok()) find(place, signature);
}

void LedgerVerifier::read_checkpoints(const SigningKeys* keys) {
  const auto rows = impl_.store->cursor(Family::checkpoints, "", /*bulk=*/true);
  std::uint64_t next_note = 0;
  // Key order: checkpoints 'c', the index 'i', cut notes 'n'.
  for (; rows->valid(); rows->next()) {
    const std::string_view key = rows->key();
    const char kind = key.empty() ? '\0' : key.front();
    if (kind == 'c') {
      check_checkpoint(key, rows->value(), keys);
    } else if (kind == 'i') {
      const auto parsed = parse_checkpoint_key('i', key);
      const auto number = parse_number(rows->value());
      if (!parsed || !number)
        find("cut note index", fmt::format("a damaged row: {}", hex(key)));
      else
        first_cut_notes_[{parsed->partition, parsed->size}] = *number;
    } else if (const auto number = kind == 'n' ? parse_number(key.substr(1)) : std::nullopt) {
      if (*number != next_note) find(fmt::format("cut note {}", next_note), "the row is missing");
      next_note = *number + 1;
      check_cut_note(*number, rows->value(), keys);
    } else {
      find("checkpoints", fmt::format("a key that names none: {}", hex(key)));
    }
  }
  if (!rows->status().ok()) find("checkpoints", rows->status());
  if (recorded_cut_notes_ > next_note)
    find("heads file",
         fmt::format("I9: it knows {} cut notes, {} are stored: signed checkpoints are lost", recorded_cut_notes_, next_note));
  for (const auto& [listed, number] : first_cut_notes_)
    if (number >= next_note) find(fmt::format("cut note {}", number), "named by the index, but not stored");
}

// What the ledger knew from the file when it was opened or wrote it last: a server beside us may have gone on since.
void LedgerVerifier::read_heads_file() {
  const auto text = read_file(impl_.heads_path());
  if (!text.ok()) return find("heads file", text.status());
  if (const auto parsed = parse_heads(*text, impl_.name, impl_.heads_path()); !parsed.ok()) find("heads file", parsed.status());
  absl::MutexLock lock(&impl_.file_mutex);
  recorded_cut_notes_ = impl_.recorded.cut_notes;
  for (const auto& [id, head] : impl_.recorded.partitions)
    claim(id, head.size, head.root, fmt::format("heads file, partition {}", id.name()));
}

// I9: nothing that was signed or recorded lies beyond the end.
void LedgerVerifier::check_claims_beyond(const std::map<PartitionId, PartitionHead>& heads) {
  for (const auto& [id, claims] : claims_) {
    const auto head = heads.find(id);
    const std::uint64_t size = head == heads.end() ? 0 : head->second.size;
    for (auto claim = claims.upper_bound(size); claim != claims.end(); ++claim)
      find(claim->second.place, fmt::format("I9: it knows {} entries, the ledger has {}", claim->first, size));
  }
}

void LedgerVerifier::check_no_other_rows(Family family) {
  // Jumps from partition to partition: rows inside one are the pass's to check.
  std::string from;
  for (const auto& [id, partition] : impl_.partitions) {
    std::string first;
    append_be(first, id.number());
    const auto rows = impl_.store->cursor(family, from, /*bulk=*/true);
    if (rows->valid() && rows->key() < std::string_view(first))
      find(std::string(name_of(family)), fmt::format("a row of no partition: {}", hex(rows->key())));
    if (!rows->status().ok()) find(std::string(name_of(family)), rows->status());
    from = first + std::string(64, '\xFF');
  }
}

void LedgerVerifier::check_meta_rows() {
  const auto rows = impl_.store->cursor(Family::heads, "", /*bulk=*/true);
  for (; rows->valid(); rows->next()) {
    const std::string_view key = rows->key();
    if (key == "format" || key == "ledger" || key == "partitions" || key == "partitioner" || key == "definition") continue;
    const auto partition =
        key.size() == 5 && key.front() == 'h' ? std::optional(PartitionId(load_be<std::uint32_t>(key.data() + 1))) : std::nullopt;
    if (!partition || impl_.find(*partition) == nullptr) find("heads", fmt::format("a row of no partition: {}", hex(key)));
  }
  if (!rows->status().ok()) find("heads", rows->status());
}

VerifyReport LedgerVerifier::run(const std::string& key_file) {
  if (progress_) progress_("checking RocksDB's checksums", 0, 0);
  if (const absl::Status checksums = impl_.store->verify_checksums(); !checksums.ok()) find("RocksDB", checksums);
  std::optional<SigningKeys> keys;
  if (!key_file.empty()) {
    auto loaded = SigningKeys::load(key_file);
    if (loaded.ok())
      keys = *std::move(loaded);
    else
      find("signing key", loaded.status());
  }
  // Claims first: a ledger that grows while we read is then never behind them.
  read_heads_file();
  read_checkpoints(keys ? &*keys : nullptr);
  const auto heads = ledger_.heads();
  report_.cut = Cut();
  for (const auto& [id, head] : heads) report_.cut.set(id, head.size);
  check_claims_beyond(heads);
  check_meta_rows();
  for (const Family family : {Family::entries, Family::payloads, Family::tree, Family::offsets}) check_no_other_rows(family);
  for (const auto& [id, head] : heads) PartitionPass(*this, id, head).run();
  return std::move(report_);
}

VerifyReport verify_ledger(const Ledger& ledger, const Definition& definition, const std::string& key_file, const VerifyVisitor& visit,
                           const Progress& progress) {
  return LedgerVerifier(ledger, definition, visit, progress).run(key_file);
}

}  // namespace bukubesar
