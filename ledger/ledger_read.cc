#include <algorithm>

#include "base/bytes.h"
#include "base/cancellation.h"
#include "base/check.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"

namespace bukubesar {

namespace {

constexpr std::uint64_t kRowsBetweenLooks = 4096;  // whether somebody still waits

absl::Status beyond_end(PartitionId partition, std::uint64_t position, std::uint64_t size) {
  return out_of_range("{}:{}: the partition has {} entries", partition.name(), position, size);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const EntryChunk>> Ledger::Impl::entry_chunk(PartitionId partition, Sequence sequence) const {
  auto cached = entry_cache.at_or_before(partition, sequence.value());
  if (cached != nullptr && sequence.value() < cached->first.value() + cached->count()) return cached;
  ASSIGN_OR_RETURN(const auto row, store->at_or_before(Family::entries, chunk_key(partition, sequence)));
  const auto key = row ? parse_chunk_key(row->key) : std::nullopt;
  if (!key || key->partition != partition) return data_loss("{}:{}: no row holds the entry", partition.name(), sequence.value());
  auto chunk = decode_entry_chunk(key->first, row->value);
  if (!chunk.ok()) return with_context(chunk.status(), fmt::format("{}:{}", partition.name(), key->first.value()));
  if (sequence.value() >= chunk->first.value() + chunk->count())
    return data_loss("{}:{}: no row holds the entry", partition.name(), sequence.value());
  auto shared = std::make_shared<const EntryChunk>(*std::move(chunk));
  entry_cache.put(partition, shared->first.value(), shared, sizeof(EntryChunk) + shared->bytes.size());
  return std::shared_ptr<const EntryChunk>(std::move(shared));
}

absl::StatusOr<std::shared_ptr<const PayloadChunk>> Ledger::Impl::payload_chunk(PartitionId partition, Sequence sequence) const {
  const auto holds = [&](const PayloadChunk& chunk) { return sequence.value() < chunk.first.value() + chunk.payloads.size(); };
  auto cached = payload_cache.at_or_before(partition, sequence.value());
  if (cached != nullptr && holds(*cached)) return cached;
  const std::uint64_t rewritten_before = chunks_rewritten;
  ASSIGN_OR_RETURN(const auto row, store->at_or_before(Family::payloads, chunk_key(partition, sequence)));
  const auto key = row ? parse_chunk_key(row->key) : std::nullopt;
  if (!key || key->partition != partition) return data_loss("{}:{}: no row holds the payload", partition.name(), sequence.value());
  auto chunk = decode_payload_chunk(key->first, row->value);
  if (!chunk.ok()) return with_context(chunk.status(), fmt::format("{}:{}", partition.name(), key->first.value()));
  if (!holds(**chunk)) return data_loss("{}:{}: no row holds the payload", partition.name(), sequence.value());
  payload_cache.put(partition, (*chunk)->first.value(), *chunk,
                    sizeof(PayloadChunk) + (*chunk)->bytes.size() + (*chunk)->payloads.size() * sizeof((*chunk)->payloads[0]));
  if (chunks_rewritten != rewritten_before) payload_cache.erase(partition, (*chunk)->first.value());
  return chunk;
}

absl::StatusOr<Entry> Ledger::Impl::entry(PartitionId partition, Sequence sequence) const {
  ASSIGN_OR_RETURN(const auto chunk, entry_chunk(partition, sequence));
  const auto decoded = decode_entry(chunk->entry(sequence - chunk->first));
  if (!decoded) return data_loss("{}:{}: the bytes are no entry of version 1", partition.name(), sequence.value());
  return *decoded;
}

absl::StatusOr<std::vector<Entry>> Ledger::read_entries(PartitionId partition, Sequence first, std::size_t count) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (first.value() > head.size) return beyond_end(partition, first.value(), head.size);
  const std::uint64_t limit = first.value() + std::min<std::uint64_t>(count, head.size - first.value());
  std::vector<Entry> entries;
  entries.reserve(limit - first.value());
  for (std::uint64_t at = first.value(); at < limit;) {
    ASSIGN_OR_RETURN(const auto chunk, impl_->entry_chunk(partition, Sequence(at)));
    for (const std::uint64_t end = std::min(limit, chunk->first.value() + chunk->count()); at < end; ++at) {
      const auto decoded = decode_entry(chunk->entry(at - chunk->first.value()));
      if (!decoded) return data_loss("{}:{}: the bytes are no entry of version 1", partition.name(), at);
      entries.push_back(*decoded);
    }
  }
  return entries;
}

absl::StatusOr<StoredRun> Ledger::read(PartitionId partition, Sequence first, std::size_t count) const {
  ASSIGN_OR_RETURN(std::vector<Entry> entries, read_entries(partition, first, count));
  StoredRun run;
  run.entries.reserve(entries.size());
  auto chunks = std::make_shared<std::vector<std::shared_ptr<const PayloadChunk>>>();
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < entries.size() && bytes < kReadBytesMax;) {
    const std::uint64_t at = first.value() + i;
    ASSIGN_OR_RETURN(const auto chunk, impl_->payload_chunk(partition, Sequence(at)));
    const std::size_t end = std::min<std::size_t>(entries.size(), i + (chunk->first.value() + chunk->payloads.size() - at));
    for (; i < end; ++i) {
      const auto& payload = chunk->payloads[first.value() + i - chunk->first.value()];
      const Sequence sequence(first.value() + i);
      run.entries.push_back({sequence, entries[i], payload, payload ? nullptr : impl_->redaction(partition, sequence)});
    }
    bytes += chunk->bytes.size();
    chunks->push_back(chunk);
  }
  run.keep_alive = std::move(chunks);
  return run;
}

absl::StatusOr<std::string> Ledger::read_payload(PartitionId partition, Sequence sequence) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (sequence.value() >= head.size) return not_found("{}:{}: the partition has {} entries", partition.name(), sequence.value(), head.size);
  ASSIGN_OR_RETURN(const auto chunk, impl_->payload_chunk(partition, sequence));
  const auto& payload = chunk->payloads[sequence - chunk->first];
  if (const auto erased = payload ? nullptr : impl_->redaction(partition, sequence))
    return failed_precondition("{}:{}: this payload was erased, by the redaction reference:{}", partition.name(), sequence.value(),
                               erased->by.value());
  if (!payload) return failed_precondition("{}:{}: only the hash of this payload is kept", partition.name(), sequence.value());
  return std::string(*payload);
}

absl::StatusOr<std::optional<Sequence>> Ledger::find_accepted(PartitionId partition, const Fingerprint& fingerprint) const {
  std::optional<Sequence> first;
  RETURN_IF_ERROR(find_accepted(partition, std::span(&fingerprint, 1), std::span(&first, 1)));
  return first;
}

absl::Status Ledger::find_accepted(PartitionId partition, std::span<const Fingerprint> fingerprints,
                                   std::span<std::optional<Sequence>> to) const {
  BB_CHECK(to.size() == fingerprints.size(), "an answer for each id");
  // Asked for each record: the head, under its lock, is not needed.
  const LedgerPartition* part = impl_->find(partition);
  if (part == nullptr) return invalid_argument("ledger {} has no partition {}", impl_->name, partition.name());
  std::vector<std::pair<std::size_t, Sequence>> candidates;
  {
    absl::ReaderMutexLock lock(&part->ids_mutex);
    for (const Fingerprint& fingerprint : fingerprints) part->ids.prefetch(fingerprint);
    for (std::size_t i = 0; i < fingerprints.size(); ++i)
      for (const Sequence candidate : part->ids.candidates(fingerprints[i])) candidates.emplace_back(i, candidate);
  }
  std::fill(to.begin(), to.end(), std::nullopt);
  for (const auto& [i, candidate] : candidates) {
    if (to[i] || candidate.value() >= part->published_size) continue;  // of a commit that is under way
    ASSIGN_OR_RETURN(const Entry entry, impl_->entry(partition, candidate));
    if (entry.verdict == Verdict::accepted && entry.fingerprint == fingerprints[i]) to[i] = candidate;
  }
  return absl::OkStatus();
}

absl::StatusOr<Sequence> Ledger::sequence_of(PartitionId partition, Epoch epoch, Offset offset) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  const absl::Status none =
      not_found("partition {}: no entry holds offset {} of epoch {}", partition.name(), offset.value(), epoch.value());
  if (offset < Offset(0)) return none;
  ASSIGN_OR_RETURN(const auto row, impl_->store->at_or_before(Family::offsets, offset_key(partition, epoch, offset)));
  if (!row) return none;
  const auto run = parse_offset_run(row->key, row->value);
  if (!run) return data_loss("partition {}: the row for offset {} is no run of offsets", partition.name(), offset.value());
  if (run->partition != partition || run->epoch != epoch || run->gap) return none;
  const auto in_run = static_cast<std::uint64_t>(offset - run->first);
  if (in_run >= run->count || run->sequence.value() + in_run >= head.size) return none;
  return run->sequence + in_run;
}

absl::StatusOr<std::vector<Gap>> Ledger::gaps(PartitionId partition, Epoch epoch, Offset first, std::size_t limit) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  std::vector<Gap> found;
  absl::Status status;
  std::uint64_t looked_at = 0;
  RETURN_IF_ERROR(impl_->store->scan(
      Family::offsets, offset_key(partition, epoch, first), /*bulk=*/true, [&](std::string_view key, std::string_view value) {
        if (looked_at++ % kRowsBetweenLooks == 0) status = still_wanted();
        const auto run = parse_offset_run(key, value);
        if (!run) status = data_loss("partition {}: a row of offsets is damaged", partition.name());
        if (!status.ok() || run->partition != partition || found.size() == limit) return false;
        const bool seen = run->epoch < head.epoch || (run->epoch == head.epoch && run->first < head.next_offset);
        if (run->gap && seen) found.push_back({run->epoch, run->first, run->first + static_cast<std::int64_t>(run->count)});
        return seen;
      }));
  RETURN_IF_ERROR(status);
  return found;
}

absl::StatusOr<std::int64_t> Ledger::ledger_time_ms(PartitionId partition, Sequence sequence) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (sequence.value() >= head.size) return beyond_end(partition, sequence.value(), head.size);
  ASSIGN_OR_RETURN(const auto chunk, impl_->entry_chunk(partition, sequence));
  std::int64_t time = chunk->ledger_time_before_ms;
  for (std::uint64_t i = 0; i <= sequence - chunk->first; ++i) {
    const auto decoded = decode_entry(chunk->entry(i));
    if (!decoded) return data_loss("{}:{}: the bytes are no entry of version 1", partition.name(), chunk->first.value() + i);
    time = ledger_time_after(impl_->clock, time, *decoded);
  }
  return time;
}

absl::StatusOr<std::uint64_t> Ledger::size_at(PartitionId partition, std::int64_t instant_ms) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (head.size == 0) return 0;
  if (impl_->clock == LedgerClock::none || (head.records > 0 && head.ledger_time_ms == 0))
    return failed_precondition(
        "partition {}: its records carry no ledger time (a CreateTime topic): as of an instant is not offered, only as of a cut",
        partition.name());
  if (instant_ms >= head.ledger_time_ms) return head.size;
  // The last chunk that begins at or before the instant holds the border; found by halving sequences.
  std::uint64_t low = 0;  // the chunk of `low` begins at or before the instant, or is the first
  std::uint64_t high = head.size;
  while (true) {
    ASSIGN_OR_RETURN(const auto chunk, impl_->entry_chunk(partition, Sequence(low + (high - low) / 2)));
    const std::uint64_t first = chunk->first.value();
    const std::uint64_t end = std::min(head.size, first + chunk->count());
    if (chunk->ledger_time_before_ms > instant_ms) {
      high = first;
      if (first == 0) return 0;
    } else {
      std::int64_t time = chunk->ledger_time_before_ms;
      for (std::uint64_t at = first; at < end; ++at) {
        const auto decoded = decode_entry(chunk->entry(at - first));
        if (!decoded) return data_loss("{}:{}: the bytes are no entry of version 1", partition.name(), at);
        time = ledger_time_after(impl_->clock, time, *decoded);
        if (time > instant_ms) return at;
      }
      low = end;
    }
    if (low >= high) return low;
  }
}

// --- the tree ---

absl::StatusOr<std::vector<Hash256>> Ledger::Impl::stored_leaf_hashes(PartitionId partition, std::uint64_t first,
                                                                      std::uint64_t limit) const {
  std::vector<Hash256> leaves;
  leaves.reserve(limit - first);
  for (std::uint64_t at = first; at < limit;) {
    ASSIGN_OR_RETURN(const auto chunk, entry_chunk(partition, Sequence(at)));
    for (const std::uint64_t end = std::min(limit, chunk->first.value() + chunk->count()); at < end; ++at)
      leaves.push_back(leaf_hash(chunk->entry(at - chunk->first.value())));
  }
  return leaves;
}

absl::StatusOr<std::vector<Hash256>> Ledger::Impl::level_hashes(PartitionId partition, unsigned level, std::uint64_t first,
                                                                std::uint64_t count) const {
  if (level == 0) return stored_leaf_hashes(partition, first, first + count);
  std::vector<Hash256> hashes;
  hashes.reserve(count);
  std::uint64_t next = first;
  RETURN_IF_ERROR(
      store->scan(Family::tree, tree_key(partition, level, first), /*bulk=*/false, [&](std::string_view key, std::string_view value) {
        const auto hash = parse_hash(value);
        if (!hash || key != tree_key(partition, level, next)) return false;
        hashes.push_back(*hash);
        return ++next < first + count;
      }));
  if (hashes.size() != count) return data_loss("{} tree level {} index {}: the row is missing or damaged", partition.name(), level, next);
  return hashes;
}

absl::StatusOr<std::shared_ptr<const TreeTile>> Ledger::Impl::tree_tile(PartitionId partition, unsigned level, std::uint64_t index,
                                                                        std::uint64_t size) const {
  const std::uint64_t first = index / kTileWidth * kTileWidth;
  const std::uint64_t width = std::min(kTileWidth, (size >> (level * kTileHeight)) - first);
  ChunkCache<TreeTile>& cache = level == 0 ? leaf_tile_cache : upper_tile_cache;
  const std::uint64_t key = std::uint64_t{level} << 56 | first;  // a level above the leaves has fewer than 2^56 hashes
  if (auto cached = cache.at_or_before(partition, key);
      cached != nullptr && cached->level == level && cached->first == first && cached->width() >= width)
    return cached;
  auto tile = std::make_shared<TreeTile>();
  tile->level = level;
  tile->first = first;
  ASSIGN_OR_RETURN(tile->by_height[0], level_hashes(partition, level, first, width));
  for (unsigned h = 1; h < kTileHeight; ++h) {
    const std::vector<Hash256>& below = tile->by_height[h - 1];
    for (std::size_t i = 0; i + 1 < below.size(); i += 2) tile->by_height[h].push_back(node_hash(below[i], below[i + 1]));
  }
  cache.erase(partition, key);  // a narrower one
  cache.put(partition, key, tile, sizeof(TreeTile) + 2 * kTileWidth * sizeof(Hash256));
  return std::shared_ptr<const TreeTile>(std::move(tile));
}

absl::StatusOr<Hash256> TileSource::subtree(unsigned height, std::uint64_t index) {
  const unsigned level = height / kTileHeight;
  const unsigned above = height % kTileHeight;
  ASSIGN_OR_RETURN(const auto tile, impl_.tree_tile(partition_, level, index << above, size_));
  return tile->by_height[above][index - (tile->first >> above)];
}

absl::StatusOr<Hash256> Ledger::root(PartitionId partition, std::uint64_t size) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (size > head.size) return beyond_end(partition, size, head.size);
  if (size == head.size) return head.root;
  TileSource source(*impl_, partition, head.size);
  return tree_root(source, size);
}

absl::StatusOr<std::vector<Hash256>> Ledger::inclusion_proof(PartitionId partition, Sequence sequence, std::uint64_t size) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (size > head.size) return beyond_end(partition, size, head.size);
  if (sequence.value() >= size) return out_of_range("{}:{}: not in a tree of {} entries", partition.name(), sequence.value(), size);
  TileSource source(*impl_, partition, head.size);
  return make_inclusion_proof(source, sequence.value(), size);
}

absl::StatusOr<std::vector<Hash256>> Ledger::consistency_proof(PartitionId partition, std::uint64_t old_size, std::uint64_t size) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (size > head.size) return beyond_end(partition, size, head.size);
  if (old_size > size) return out_of_range("partition {}: old size {} is above size {}", partition.name(), old_size, size);
  TileSource source(*impl_, partition, head.size);
  return make_consistency_proof(source, old_size, size);
}

absl::StatusOr<std::string> Ledger::tile(PartitionId partition, unsigned level, std::uint64_t index, unsigned width) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  const std::uint64_t hashes_there = level < 8 ? head.size >> (level * kTileHeight) : 0;
  if (width == 0 || width > kTileWidth || index > hashes_there / kTileWidth || index * kTileWidth + width > hashes_there)
    return not_found("partition {}: no tile {}/{} of width {} in a tree of {} entries", partition.name(), level, index, width, head.size);
  ASSIGN_OR_RETURN(const auto tile, impl_->tree_tile(partition, level, index * kTileWidth, head.size));
  std::string bytes;
  bytes.reserve(width * sizeof(Hash256));
  for (unsigned i = 0; i < width; ++i) bytes += as_view(tile->by_height[0][i]);
  return bytes;
}

absl::StatusOr<std::string> Ledger::entry_bundle(PartitionId partition, std::uint64_t index, unsigned width) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (width == 0 || width > kTileWidth || index > head.size / kTileWidth || index * kTileWidth + width > head.size)
    return not_found("partition {}: no entry bundle {} of width {} in a tree of {} entries", partition.name(), index, width, head.size);
  std::string bytes;
  bytes.reserve(width * (2 + kEntryBytes));
  const std::uint64_t limit = index * kTileWidth + width;
  for (std::uint64_t at = index * kTileWidth; at < limit;) {
    ASSIGN_OR_RETURN(const auto chunk, impl_->entry_chunk(partition, Sequence(at)));
    for (const std::uint64_t end = std::min(limit, chunk->first.value() + chunk->count()); at < end; ++at) {
      append_be(bytes, static_cast<std::uint16_t>(kEntryBytes));
      bytes += chunk->entry(at - chunk->first.value());
    }
  }
  return bytes;
}

absl::Status Ledger::recheck(PartitionId partition, std::uint64_t from, std::uint64_t size, const Hash256& root) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (from > size || size > head.size) return beyond_end(partition, std::max(from, size), head.size);
  const std::uint64_t start = from / kTileWidth * kTileWidth;
  TileSource source(*impl_, partition, head.size);
  ASSIGN_OR_RETURN(Frontier frontier, load_frontier(source, start));
  std::vector<Subtree> completed;
  absl::Status damage;
  const auto fail = [&](absl::Status status) {
    damage = std::move(status);
    return false;
  };
  // Begins at the chunk that holds `start`.
  ASSIGN_OR_RETURN(const auto before, impl_->store->at_or_before(Family::entries, chunk_key(partition, Sequence(start))));
  const std::string seek = before && parse_chunk_key(before->key) ? before->key : chunk_key(partition, Sequence(start));
  const auto visit = [&](std::string_view key, std::string_view value) {
    const auto parsed = parse_chunk_key(key);
    if (!parsed) return fail(data_loss("a key of entries is damaged"));
    if (parsed->partition < partition) return true;
    if (frontier.size() >= size || parsed->partition != partition) return false;
    const auto chunk = decode_entry_chunk(parsed->first, value);
    if (!chunk.ok()) return fail(with_context(chunk.status(), fmt::format("{}:{}", partition.name(), parsed->first.value())));
    for (std::size_t i = 0; i < chunk->count() && frontier.size() < size; ++i) {
      if (chunk->first.value() + i < frontier.size()) continue;
      if (chunk->first.value() + i > frontier.size())
        return fail(data_loss("{}:{}: no row holds the entry", partition.name(), frontier.size()));
      frontier.append(leaf_hash(chunk->entry(i)), completed);
    }
    return true;
  };
  if (size > start) RETURN_IF_ERROR(impl_->store->scan(Family::entries, seek, /*bulk=*/true, visit));
  RETURN_IF_ERROR(damage);
  for (const Subtree& subtree : completed) {
    ASSIGN_OR_RETURN(const auto stored, impl_->store->get(Family::tree, tree_key(partition, subtree.height / kTileHeight, subtree.index)));
    if (!stored || *stored != as_view(subtree.hash))
      return data_loss("{} tree level {} index {}: want {} got {}", partition.name(), subtree.height / kTileHeight, subtree.index,
                       hex(as_view(subtree.hash)), stored ? hex(*stored) : "nothing");
  }
  if (frontier.size() != size || frontier.root() != root)
    return data_loss("partition {}: read back, {} entries have root {}, not {}", partition.name(), frontier.size(),
                     hex(as_view(frontier.root())), hex(as_view(root)));
  return absl::OkStatus();
}

}  // namespace bukubesar
