// The end of a file of RocksDB's after a power loss: of its log, or of a MANIFEST, its list of files, which has records of the same format.
// Some sectors of what was being written may be there and others not. RocksDB forgives a file that ends early, or where nothing but zeros
// stands for a record's header, and refuses to open otherwise.
//
// What was being written is told apart from damage by what a disk leaves: a sector that was not written is all zeros. In a log the torn
// record is the last one, since each is synced before the next one is begun, and before anybody is told (I8): nothing whole comes after it.
// In a MANIFEST the records of one change are written and then synced together: whole ones may follow, not far. Any other damage stays for
// RocksDB to refuse.
//
// Source  RocksDB's log format: blocks of 32 KiB of records `u32 masked CRC-32C, u16 length, u8 type, data`, little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace bukubesar {

enum class RecordFile : std::uint8_t { log, manifest };

// What a MANIFEST can have unsynced at once: the records of one change. The largest is a compaction's: of as many files of level 0 as stop
// the writes (128 of 32 MiB) it makes some 70, with 200 bytes for each, and names what it read; a flush of each family may stand beside it.
inline constexpr std::size_t kUnsyncedManifestBytes = 32U << 10;

// Where a file's last whole record ends; its size, where it is whole.
[[nodiscard]] std::uint64_t end_of_records(std::string_view bytes);
// Whether nothing stands behind its whole records but zeros or the beginning of one: then RocksDB takes it for the end, without a word.
[[nodiscard]] bool ends_early(std::string_view bytes);

// Where the first torn record of a file with these bytes begins; nothing where it is whole, ends early, or is damaged in another way.
[[nodiscard]] std::optional<std::uint64_t> torn_tail(std::string_view bytes, RecordFile file);

// Cuts the torn record off the newest log of RocksDB's directory, synced. True where there was one.
[[nodiscard]] absl::StatusOr<bool> cut_torn_tail(const std::string& directory);

}  // namespace bukubesar
