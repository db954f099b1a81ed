#include <algorithm>
#include <thread>

#include "events/event_digest.h"
#include "ledger/statement.h"
#include "ledger/verify_impl.h"

namespace bukubesar {

namespace {

// Beside the pass itself, which takes part; reading is little.
unsigned worker_count() { return std::clamp(std::thread::hardware_concurrency(), 2U, 9U) - 1; }

Routing routing_of(const Definition& definition) {
  return {parse_partitioner(definition.partitioner).value_or(Partitioner::murmur2), definition.partitions};
}

}  // namespace

LedgerVerifier::PartitionPass::PartitionPass(LedgerVerifier& verifier, PartitionId id, const PartitionHead& head)
    : verifier_(verifier),
      impl_(verifier.impl_),
      id_(id),
      name_(id.name()),
      head_(head),
      claims_(verifier.claims_[id]),
      next_claim_(claims_.begin()),
      judge_(routing_of(verifier.definition_)) {
  now_.next_offset = impl_.find(id)->first_offset;
  now_.root = empty_root();
  ids_.reserve(head.counts.accepted);
}

void LedgerVerifier::PartitionPass::find(std::uint64_t sequence, std::string what) {
  std::string place = fmt::format("{}:{}", name_, sequence);
  if (verifier_.report_.first_bad_sequence.empty()) verifier_.report_.first_bad_sequence = place;
  verifier_.find(std::move(place), std::move(what));
}

void LedgerVerifier::PartitionPass::run() {
  ProgressMeter meter(verifier_.progress_, fmt::format("verifying partition {}", name_), head_.size);
  check_claims_here();
  {
    ChunkPipeline chunks(*impl_.store, id_, head_.size, routing_of(verifier_.definition_), worker_count());
    while (const auto chunk = chunks.next()) {
      for (const std::string& stray : chunk->strays) find_stray(stray);
      if (!begins_here(*chunk)) continue;
      take_chunk(*chunk);
      meter.at(now_.size);
    }
    for (const std::string& stray : chunks.strays()) find_stray(stray);
    if (!chunks.entries_status().ok()) {
      find(now_.size, chunks.entries_status());
      whole_ = false;
    } else if (now_.size < head_.size) {
      find(now_.size, fmt::format("I1: the entries end here, the head says {}", head_.size));
    }
  }
  check_tree();
  check_offsets();
  check_head();
}

void LedgerVerifier::PartitionPass::find_stray(std::string_view key) {
  const auto stray = parse_chunk_key(key);
  find(stray ? stray->first.value() : now_.size, "a row of payloads without its row of entries");
}

// Whether the chunk is the next one, its entries readable; says otherwise what is wrong, and goes to where it begins.
bool LedgerVerifier::PartitionPass::begins_here(const CheckedChunk& chunk) {
  const auto key = parse_chunk_key(chunk.key);
  if (!key) {
    find(now_.size, fmt::format("a row of entries whose key is damaged: {}", hex(chunk.key)));
    return false;
  }
  const std::uint64_t first = key->first.value();
  if (first >= head_.size) {
    // A commit that came while we read is no damage.
    if (first >= verifier_.ledger_.head(id_).size) find(first, "a row of entries beyond the head");
    return false;
  }
  if (first != now_.size) {
    find(now_.size, fmt::format("I1: the next row of entries begins at {}", first));
    whole_ = false;
    if (first < now_.size) return false;
    now_.size = first;
  }
  if (chunk.entries.ok()) return true;
  find(now_.size, chunk.entries.status());
  whole_ = false;
  const auto header = decode_entry_chunk_header(chunk.entries_row);
  if (header.ok()) now_.size += header->count;
  return false;
}

void LedgerVerifier::PartitionPass::take_chunk(CheckedChunk& chunk) {
  if (!chunk.payloads.ok()) find(now_.size, chunk.payloads.status());
  if (chunk.entries->ledger_time_before_ms != now_.ledger_time_ms)
    find(now_.size, fmt::format("ledger time before it want {} got {}", now_.ledger_time_ms, chunk.entries->ledger_time_before_ms));
  if (chunk.payloads.ok() && (*chunk.payloads)->payloads.size() != chunk.checked.size())
    find(now_.size, fmt::format("{} payloads beside {} entries", (*chunk.payloads)->payloads.size(), chunk.checked.size()));
  StoredRun run;
  std::vector<const Event*> events;
  run.entries.reserve(chunk.checked.size());
  events.reserve(chunk.checked.size());
  for (std::size_t i = 0; i < chunk.checked.size(); ++i) {
    if (const std::size_t ahead = i + IdTable::kPrefetchAhead; ahead < chunk.checked.size() && chunk.checked[ahead].entry)
      ids_.prefetch(chunk.checked[ahead].entry->fingerprint);
    CheckedEntry& checked = chunk.checked[i];
    const std::uint64_t sequence = now_.size;
    take_redaction(sequence, checked, chunk.arena);
    if (checked.entry)
      take_entry(sequence, *checked.entry, checked);
    else
      find(sequence, "the bytes are no entry of version 1");
    if (checked.entry && checked.payload != nullptr) {
      run.entries.push_back({Sequence(sequence), *checked.entry, *checked.payload, checked.redaction});
      const bool accepted = checked.entry->verdict == Verdict::accepted && checked.judgement;
      events.push_back(accepted ? checked.judgement->event : nullptr);
    }
    if (whole_) frontier_.append(checked.leaf, completed_);
    ++now_.size;
    ++verifier_.report_.entries;
    check_claims_here();
  }
  if (chunk.payloads.ok()) run.keep_alive = *chunk.payloads;
  if (verifier_.visit_ && !run.entries.empty()) verifier_.visit_(id_, run, events);
}

void LedgerVerifier::PartitionPass::take_entry(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked) {
  if (checked.payload != nullptr) check_payload(sequence, entry, checked);
  now_.ledger_time_ms = ledger_time_after(impl_.clock, now_.ledger_time_ms, entry);
  if (entry.kind == EntryKind::source_statement) {
    ++now_.counts.statements;
    check_statement(sequence, entry, checked);
    return;
  }
  check_offset(sequence, entry);
  check_judgement(sequence, entry, checked);
  if (entry.verdict == Verdict::rejected) {
    ++now_.counts.rejected;
    return;
  }
  ++(entry.verdict == Verdict::accepted ? now_.counts.accepted : now_.counts.duplicate);
  check_id(sequence, entry, checked);
}

void LedgerVerifier::PartitionPass::take_redaction(std::uint64_t sequence, CheckedEntry& checked, Arena& arena) {
  if (!checked.entry || checked.payload == nullptr || *checked.payload) return;
  checked.redaction = impl_.redaction(id_, Sequence(sequence));
  if (checked.redaction == nullptr || checked.entry->verdict != Verdict::accepted) return;
  if (const std::uint16_t version = checked.entry->rules_version; version >= 1 && version <= kRulesVersionNewest)
    checked.judgement = judge_.judge(version, id_, checked.redaction->substitute, arena);
}

// The erasure is in the record, and what stands in for the payload is an event with the same source and id.
void LedgerVerifier::PartitionPass::check_redaction(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked) {
  ++verifier_.report_.redacted;
  const Redaction& redaction = *checked.redaction;
  const PartitionId reference = PartitionId::reference();
  const auto run = verifier_.ledger_.read(reference, redaction.by, 1);
  if (!run.ok())
    return find(sequence, with_context(run.status(), fmt::format("its payload was erased by reference:{}", redaction.by.value())));
  Arena arena;
  const StoredEntry* by = run->entries.empty() ? nullptr : &run->entries.front();
  const bool judged = by != nullptr && by->payload && by->entry.verdict == Verdict::accepted && by->entry.rules_version >= 1 &&
                      by->entry.rules_version <= kRulesVersionNewest;
  const Event* event = judged ? judge_.judge(by->entry.rules_version, reference, *by->payload, arena).event : nullptr;
  if (event == nullptr || event->type != EventType::ledger_redacted || event->subject != fmt::format("{}/{}", name_, sequence))
    find(sequence, fmt::format("its payload is not kept, and reference:{} is no redaction of it", redaction.by.value()));
  if (entry.verdict != Verdict::accepted) return;
  if (!checked.judgement || checked.judgement->event == nullptr)
    find(sequence, "what stands in for its erased payload is no event");
  else if (checked.judgement->fingerprint != entry.fingerprint)
    find(sequence, fmt::format("what stands in for its erased payload has fingerprint {}, the entry {}",
                               hex(as_view(checked.judgement->fingerprint)), hex(as_view(entry.fingerprint))));
}

void LedgerVerifier::PartitionPass::check_payload(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked) {
  const auto& payload = *checked.payload;
  if (checked.redaction != nullptr) return check_redaction(sequence, entry, checked);
  if (!payload) {
    ++verifier_.report_.hash_only;
    if (entry.payload_size <= kPayloadBytesMax) find(sequence, fmt::format("its payload of {} bytes is not kept", entry.payload_size));
    return;
  }
  ++verifier_.report_.payloads;
  verifier_.report_.payload_bytes += payload->size();
  if (payload->size() != entry.payload_size)
    find(sequence, fmt::format("payload size want {} got {}", entry.payload_size, payload->size()));
  if (checked.payload_hash != entry.payload_hash)
    find(sequence,
         fmt::format("payload hash want {} got {}", short_hex(as_view(entry.payload_hash)), short_hex(as_view(checked.payload_hash))));
}

// I5: the entry says what the rules that were in force make of the payload.
void LedgerVerifier::PartitionPass::check_judgement(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked) {
  const std::uint16_t in_force = verifier_.definition_.rules_version(id_, entry.epoch, entry.offset, now_.ledger_time_ms);
  if (entry.rules_version != in_force)
    find(sequence, fmt::format("I5: judged by rules version {}, the definition says {}", entry.rules_version, in_force));
  if (checked.payload == nullptr || checked.redaction != nullptr) return;  // said already; nothing is left to judge
  Judgement want;
  if (!*checked.payload)
    want.reason = Reason::oversize;
  else if (checked.judgement)
    want = *checked.judgement;
  else
    return find(sequence, fmt::format("rules version {} is not known to this program", entry.rules_version));
  const bool is_event = want.reason == Reason::none;
  const Reason got = entry.verdict == Verdict::rejected ? entry.reason : Reason::none;
  const auto judged = [](Reason reason) {
    return reason == Reason::none ? std::string("an event") : fmt::format("rejected: {}", name_of(reason));
  };
  if (is_event != (entry.verdict != Verdict::rejected) || got != want.reason)
    find(sequence, fmt::format("I5: the rules say {}, the entry {}{}", judged(want.reason), judged(got),
                               want.detail.empty() ? "" : " (" + want.detail + ")"));
  if (entry.fingerprint != want.fingerprint)
    find(sequence, fmt::format("I5: fingerprint want {} got {}", hex(as_view(want.fingerprint)), hex(as_view(entry.fingerprint))));
}

void LedgerVerifier::PartitionPass::check_statement(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked) {
  if (entry.epoch != now_.epoch + 1)
    find(sequence, fmt::format("I3: a source statement of epoch {} in epoch {}", entry.epoch.value(), now_.epoch.value()));
  now_.epoch = entry.epoch;
  const auto stated = checked.payload != nullptr && *checked.payload ? parse_statement_payload(**checked.payload) : std::nullopt;
  if (!stated) {
    if (checked.payload != nullptr) find(sequence, "the payload of the source statement is no line of a definition");
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
void LedgerVerifier::PartitionPass::check_id(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked) {
  std::optional<Sequence> first;
  Entry first_entry;
  for (const Sequence candidate : ids_.candidates(entry.fingerprint)) {
    const auto earlier = impl_.entry(id_, candidate);
    if (!earlier.ok()) {
      find(candidate.value(), earlier.status());
      continue;
    }
    if (earlier->fingerprint != entry.fingerprint) continue;
    first = candidate;
    first_entry = *earlier;
  }
  if (entry.verdict == Verdict::accepted) {
    if (first) find(sequence, fmt::format("I4: accepted, but {}:{} accepted this event already", name_, first->value()));
    ids_.insert(entry.fingerprint, Sequence(sequence));
  } else if (first != entry.duplicate_of) {
    find(sequence, fmt::format("I4: duplicate of {}, the first is {}", entry.duplicate_of.value(),
                               first ? std::to_string(first->value()) : "nowhere before it"));
  } else {
    check_copy(sequence, entry, checked, *first, first_entry);
  }
}

// Whether the duplicate states what the first one states.
void LedgerVerifier::PartitionPass::check_copy(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked, Sequence first,
                                               const Entry& first_entry) {
  bool same = entry.payload_hash == first_entry.payload_hash;
  if (!same) {
    if (checked.payload == nullptr || !*checked.payload) return;  // said already
    const auto chunk = impl_.payload_chunk(id_, first);
    if (!chunk.ok()) return find(first.value(), chunk.status());
    const auto& first_payload = (*chunk)->payloads[first - (*chunk)->first];
    const auto erased = first_payload ? nullptr : impl_.redaction(id_, first);
    same = erased != nullptr ? erased->event_digest == event_digest(**checked.payload)
                             : first_payload && same_event(*first_payload, **checked.payload);
  }
  const Reason want = same ? Reason::same : Reason::different;
  if (entry.reason != want)
    find(sequence,
         fmt::format("I5: duplicate, want {} got {}: compared with {}:{}", name_of(want), name_of(entry.reason), name_, first.value()));
}

void LedgerVerifier::PartitionPass::check_claims_here() {
  for (; next_claim_ != claims_.end() && next_claim_->first <= now_.size; ++next_claim_) {
    if (!whole_ || next_claim_->first != now_.size) continue;
    const RootClaim& claim = next_claim_->second;
    if (const Hash256 root = frontier_.root(); claim.root != root)
      verifier_.find(claim.place, fmt::format("root want {} got {}", short_hex(as_view(root)), short_hex(as_view(claim.root))));
  }
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

}  // namespace bukubesar
