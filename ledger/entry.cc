#include "ledger/entry.h"

#include <algorithm>

#include "base/bytes.h"

namespace bukubesar {

namespace {

constexpr std::uint8_t kEntryVersion = 1;
constexpr std::uint8_t kFlagTimestamp = 1;
constexpr std::uint8_t kFlagLogAppendTime = 2;

bool all_zero(const auto& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

bool valid_statement(const Entry& entry) {
  return entry.verdict == Verdict::none && entry.reason == Reason::none && entry.rules_version == 0 && !entry.timestamp_present &&
         !entry.log_append_time && entry.timestamp_ms == 0 && entry.offset == kNoOffset && entry.duplicate_of == kNoSequence &&
         all_zero(entry.fingerprint);
}

bool valid_record(const Entry& entry) {
  if (entry.offset < Offset(0) || entry.rules_version == 0) return false;
  if (entry.log_append_time && !entry.timestamp_present) return false;
  if (!entry.timestamp_present && entry.timestamp_ms != 0) return false;
  switch (entry.verdict) {
    case Verdict::accepted:
      return entry.reason == Reason::none && entry.duplicate_of == kNoSequence && !all_zero(entry.fingerprint);
    case Verdict::duplicate:
      return entry.reason != Reason::none && entry.duplicate_of != kNoSequence && !all_zero(entry.fingerprint);
    case Verdict::rejected:
      return entry.reason != Reason::none && entry.duplicate_of == kNoSequence;
    case Verdict::none:
      break;
  }
  return false;
}

}  // namespace

bool valid(const Entry& entry) {
  if (entry.kind == EntryKind::source_statement) return valid_statement(entry);
  return entry.kind == EntryKind::record && valid_record(entry);
}

void encode_entry(const Entry& entry, void* to) {
  auto* at = static_cast<std::uint8_t*>(to);
  at[0] = kEntryVersion;
  at[1] = static_cast<std::uint8_t>(entry.kind);
  at[2] = static_cast<std::uint8_t>(entry.verdict);
  at[3] = static_cast<std::uint8_t>((entry.timestamp_present ? kFlagTimestamp : 0) | (entry.log_append_time ? kFlagLogAppendTime : 0));
  store_be(at + 4, static_cast<std::uint16_t>(entry.reason));
  store_be(at + 6, entry.rules_version);
  store_be(at + 8, entry.epoch.value());
  store_be(at + 12, entry.payload_size);
  store_be(at + 16, static_cast<std::uint64_t>(entry.offset.value()));
  store_be(at + 24, static_cast<std::uint64_t>(entry.timestamp_ms));
  store_be(at + 32, entry.duplicate_of.value());
  std::copy(entry.fingerprint.begin(), entry.fingerprint.end(), at + 40);
  std::copy(entry.payload_hash.begin(), entry.payload_hash.end(), at + 56);
}

EntryBytes encode_entry(const Entry& entry) {
  EntryBytes bytes;
  encode_entry(entry, bytes.data());
  return bytes;
}

std::optional<Entry> decode_entry(std::string_view bytes) {
  if (bytes.size() != kEntryBytes) return std::nullopt;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); };
  if (byte(0) != kEntryVersion || byte(1) < 1 || byte(1) > 2 || byte(2) > 3 || byte(3) > 3) return std::nullopt;
  Entry entry;
  entry.kind = static_cast<EntryKind>(byte(1));
  entry.verdict = static_cast<Verdict>(byte(2));
  entry.timestamp_present = (byte(3) & kFlagTimestamp) != 0;
  entry.log_append_time = (byte(3) & kFlagLogAppendTime) != 0;
  entry.reason = static_cast<Reason>(load_be<std::uint16_t>(bytes.data() + 4));
  entry.rules_version = load_be<std::uint16_t>(bytes.data() + 6);
  entry.epoch = Epoch(load_be<std::uint32_t>(bytes.data() + 8));
  entry.payload_size = load_be<std::uint32_t>(bytes.data() + 12);
  entry.offset = Offset(static_cast<std::int64_t>(load_be<std::uint64_t>(bytes.data() + 16)));
  entry.timestamp_ms = static_cast<std::int64_t>(load_be<std::uint64_t>(bytes.data() + 24));
  entry.duplicate_of = Sequence(load_be<std::uint64_t>(bytes.data() + 32));
  std::copy_n(bytes.data() + 40, entry.fingerprint.size(), entry.fingerprint.begin());
  std::copy_n(bytes.data() + 56, entry.payload_hash.size(), entry.payload_hash.begin());
  if (!valid(entry)) return std::nullopt;
  return entry;
}

}  // namespace bukubesar
