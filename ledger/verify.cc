#include "ledger/verify.h"

#include <algorithm>
#include <thread>

#include "base/file.h"
#include "ledger/verify_impl.h"

namespace bukubesar {

void LedgerVerifier::claim(PartitionId partition, std::uint64_t size, const Hash256& root, std::string place) {
  auto& of_partition = claims_[partition];
  const auto [begin, end] = of_partition.equal_range(size);
  // Cut notes repeat what checkpoints say: once is enough.
  if (std::any_of(begin, end, [&](const auto& claim) { return claim.second.root == root; })) return;
  of_partition.emplace(size, RootClaim{root, std::move(place)});
}

// By origin. Keys that were given come before those of the key file: whoever gives them does not trust the directory.
void LedgerVerifier::take_keys(const std::string& key_file, const std::vector<std::string>& verifier_keys) {
  std::vector<std::string> origins{cut_note_origin(impl_.name)};
  for (const PartitionId partition : definition_.all_partitions()) origins.push_back(definition_.origin(partition));
  for (const std::string& key : verifier_keys) {
    const std::string origin = key.substr(0, key.find('+'));
    if (std::find(origins.begin(), origins.end(), origin) == origins.end())
      find("verifier key", fmt::format("{} is the key of {}, which is no origin of this ledger", key, origin));
    else
      keys_.emplace(origin, key);
  }
  if (key_file.empty()) return;
  const auto loaded = SigningKeys::load(key_file);
  if (!loaded.ok()) return find("signing key", loaded.status());
  for (const std::string& origin : origins) keys_.emplace(origin, loaded->verifier_key(origin));
}

void LedgerVerifier::check_signature(const std::string& place, std::string_view note, const std::string& origin) {
  const auto key = keys_.find(origin);
  ++(key == keys_.end() ? report_.signatures_unchecked : report_.signatures_checked);
  if (key == keys_.end()) return;
  if (const absl::Status signature = verify_note(note, key->second); !signature.ok()) find(place, signature);
}

void LedgerVerifier::check_checkpoint(std::string_view key, std::string_view note) {
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
  check_signature(place, note, origin);
}

void LedgerVerifier::check_cosignature(std::string_view key, std::string_view value) {
  const auto parsed = parse_cosignature_key(key);
  if (!parsed || impl_.find(parsed->partition) == nullptr) return find("cosignatures", fmt::format("a key that names none: {}", hex(key)));
  const std::string place = fmt::format("cosignature {}/{} by {}", parsed->partition.name(), parsed->size, parsed->witness);
  const auto stored = parse_cosignature_value(value);
  if (!stored) return find(place, "damaged");
  const auto note = ledger_.checkpoint(parsed->partition, parsed->size);
  if (!note.ok()) return find(place, note.status());
  const auto text = note_text(*note);
  if (!text.ok()) return find(place, text.status());
  const auto info = key_info(stored->verifier_key);
  if (!info.ok()) return find(place, info.status());
  if (info->name != parsed->witness) return find(place, fmt::format("its key is that of {}", info->name));
  if (const absl::Status held = verify_note(fmt::format("{}\n{}", *text, stored->line), stored->verifier_key); !held.ok())
    find(place, held);
}

void LedgerVerifier::check_cut_note(std::uint64_t number, std::string_view value) {
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
  check_signature(place, stored->note, note->name);
}

void LedgerVerifier::read_checkpoints() {
  const auto rows = impl_.store->cursor(Family::checkpoints, "", /*bulk=*/true);
  std::uint64_t next_note = 0;
  // Key order: checkpoints 'c', the index 'i', cut notes 'n', cosignatures 's'.
  for (; rows->valid(); rows->next()) {
    const std::string_view key = rows->key();
    const char kind = key.empty() ? '\0' : key.front();
    if (kind == 'c') {
      check_checkpoint(key, rows->value());
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
      check_cut_note(*number, rows->value());
    } else if (kind == 's') {
      check_cosignature(key, rows->value());
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

// Which payloads are missing, the pass over the partition says; here, that none stands where one was erased.
void LedgerVerifier::check_redaction_row(std::string_view key, std::string_view value) {
  const auto place = parse_redaction_key(key);
  if (!place || !parse_redaction(value) || impl_.find(place->partition) == nullptr)
    return find("redactions", fmt::format("a damaged row: {}", hex(key)));
  const std::string name = fmt::format("{}:{}", place->partition.name(), place->sequence.value());
  if (place->sequence.value() >= ledger_.head(place->partition).size) return find(name, "a redaction of an entry beyond the head");
  const auto chunk = impl_.payload_chunk(place->partition, place->sequence);
  if (!chunk.ok()) return find(name, chunk.status());
  if ((*chunk)->payloads[place->sequence - (*chunk)->first]) find(name, "its payload was erased, and stands here");
}

void LedgerVerifier::check_meta_rows() {
  const auto rows = impl_.store->cursor(Family::heads, "", /*bulk=*/true);
  for (; rows->valid(); rows->next()) {
    const std::string_view key = rows->key();
    if (!key.empty() && key.front() == 'r') {
      check_redaction_row(key, rows->value());
      continue;
    }
    if (key == "format" || key == "ledger" || key == "partitions" || key == "partitioner" || key == "definition") continue;
    const auto partition =
        key.size() == 5 && key.front() == 'h' ? std::optional(PartitionId(load_be<std::uint32_t>(key.data() + 1))) : std::nullopt;
    if (!partition || impl_.find(*partition) == nullptr) find("heads", fmt::format("a row of no partition: {}", hex(key)));
  }
  if (!rows->status().ok()) find("heads", rows->status());
}

VerifyReport LedgerVerifier::run(const std::string& key_file, const std::vector<std::string>& verifier_keys) {
  take_keys(key_file, verifier_keys);
  // Beside the rows: one reads files as they are, the other what they mean.
  absl::Status checksums;
  {
    const std::jthread beside([&] { checksums = impl_.store->verify_checksums(); });
    check_rows();
    if (progress_) progress_("checking RocksDB's checksums", 0, 0);
  }
  if (!checksums.ok()) report_.findings.insert(report_.findings.begin(), {"RocksDB", message_of(checksums)});
  return std::move(report_);
}

void LedgerVerifier::check_rows() {
  // Claims first: a ledger that grows while we read is then never behind them.
  read_heads_file();
  read_checkpoints();
  const auto heads = ledger_.heads();
  report_.cut = Cut();
  for (const auto& [id, head] : heads) report_.cut.set(id, head.size);
  check_claims_beyond(heads);
  check_meta_rows();
  for (const Family family : {Family::entries, Family::payloads, Family::tree, Family::offsets}) check_no_other_rows(family);
  for (const auto& [id, head] : heads) PartitionPass(*this, id, head).run();
}

VerifyReport verify_ledger(const Ledger& ledger, const Definition& definition, const std::string& key_file, const VerifyVisitor& visit,
                           const Progress& progress, const std::vector<std::string>& verifier_keys) {
  return LedgerVerifier(ledger, definition, visit, progress).run(key_file, verifier_keys);
}

}  // namespace bukubesar
