// Rows of the store: entries, chunks, heads, offset runs, cut notes. Bytes that came off a disk are refused or read, within their bounds;
// what is read is written the same.
//
// The first byte of an input says what the rest is.
#include <zstd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "ledger/chunk.h"
#include "ledger/rows.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;

void try_entry(std::string_view bytes) {
  const auto entry = decode_entry(bytes);
  if (!entry) return;
  const EntryBytes again = encode_entry(*entry);
  require(as_view(again) == bytes && valid(*entry), "one encoding for one entry");
}

void try_entry_chunk(std::string_view row) {
  const auto header = decode_entry_chunk_header(row);
  const auto chunk = decode_entry_chunk(Sequence(7), row);
  if (!chunk.ok()) return;
  require(header.ok() && header->count == chunk->count() && header->ledger_time_before_ms == chunk->ledger_time_before_ms,
          "the header says what is there");
  for (std::size_t i = 0; i < chunk->count(); ++i) try_entry(chunk->entry(i));
  const auto again = decode_entry_chunk(Sequence(7), encode_entry_chunk(chunk->bytes, chunk->ledger_time_before_ms));
  require(again.ok() && again->bytes == chunk->bytes, "the same entries come back");
}

void try_payload_chunk(std::string_view row) {
  const auto chunk = decode_payload_chunk(Sequence(7), row);
  if (!chunk.ok()) return;
  const std::string_view whole = (*chunk)->bytes;
  std::vector<std::string_view> payloads;
  std::size_t size = 0;
  for (const auto& payload : (*chunk)->payloads) {
    if (payload && !payload->empty())
      require(payload->data() >= whole.data() && payload->data() + payload->size() <= whole.data() + whole.size(), "views are inside");
    size += payload ? payload->size() : 0;
    payloads.push_back(payload ? (payload->empty() ? std::string_view("", 0) : *payload) : std::string_view());
  }
  require(size + 4 * payloads.size() == whole.size(), "lengths add up");
  const auto again = decode_payload_chunk(Sequence(7), encode_payload_chunk(payloads.data(), payloads.size()));
  require(again.ok() && (*again)->payloads == (*chunk)->payloads, "the same payloads come back");
}

// A row whose content is what was given, so that what stands behind the decompression is tried.
void try_payload_content(std::string_view content) {
  if (content.size() < 2) return;
  const std::string_view raw = content.substr(2);
  std::string row(8, '\0');
  row[0] = row[1] = 1;
  row.replace(2, 2, content.substr(0, 2));
  store_be(row.data() + 4, static_cast<std::uint32_t>(raw.size()));
  std::string body(ZSTD_compressBound(raw.size()), '\0');
  body.resize(ZSTD_compress(body.data(), body.size(), raw.data(), raw.size(), 1));
  try_payload_chunk(row + body);
}

void try_entries(std::string_view content) {
  const std::size_t count = std::min(content.size() / kEntryBytes, kChunkEntriesMax);
  if (count == 0) return;
  const std::string_view entries = content.substr(0, count * kEntryBytes);
  std::string row = encode_entry_chunk(entries, -5);
  const auto chunk = decode_entry_chunk(Sequence(0), row);
  require(chunk.ok() && chunk->bytes == entries && chunk->ledger_time_before_ms == -5, "entries come back as they were");
  try_entry_chunk(row);
}

void try_rows(std::string_view bytes) {
  if (const auto key = parse_chunk_key(bytes)) require(chunk_key(key->partition, key->first) == bytes, "one key for one chunk");
  if (const auto key = parse_tree_key(bytes)) require(tree_key(key->partition, key->level, key->index) == bytes, "one key for one node");
  if (const auto key = parse_checkpoint_key('c', bytes)) require(checkpoint_key(key->partition, key->size) == bytes, "one key each");
  if (const auto head = parse_head(bytes)) require(head_value(*head) == bytes, "one value for one head");
  if (const auto note = parse_cut_note_value(bytes)) {
    const auto again = parse_cut_note_value(cut_note_value(note->cut, note->note));
    require(again && again->cut == note->cut && again->note == note->note, "a cut note comes back");
  }
  const std::size_t key_bytes = std::min<std::size_t>(bytes.size(), 16);
  if (const auto run = parse_offset_run(bytes.substr(0, key_bytes), bytes.substr(key_bytes)))
    require(offset_key(run->partition, run->epoch, run->first) + offset_value(*run) == bytes, "one row for one run of offsets");
  (void)parse_number(bytes);
  (void)parse_hash(bytes);
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // An own copy of exactly that size: a read past its end is found.
  const std::unique_ptr<char[]> bytes(new char[size - 1]);
  std::copy(data + 1, data + size, bytes.get());
  const std::string_view rest(bytes.get(), size - 1);
  switch (data[0] % 6) {
    case 0:
      bukubesar::try_entry(rest);
      break;
    case 1:
      bukubesar::try_entry_chunk(rest);
      break;
    case 2:
      bukubesar::try_payload_chunk(rest);
      break;
    case 3:
      bukubesar::try_payload_content(rest);
      break;
    case 4:
      bukubesar::try_entries(rest);
      break;
    default:
      bukubesar::try_rows(rest);
  }
  return 0;
}
