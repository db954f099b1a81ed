// The end of RocksDB's log after a power loss: the last record was being written, so some of its sectors may be there and others not.
// RocksDB forgives a record that ends early, and refuses to open where a later sector was kept and an earlier one was not.
//
// Such a record was never acknowledged: each is synced before the next one is begun, and before anybody is told (I8). It is told apart from
// damage by what a disk leaves: a sector that was not written is all zeros, and nothing whole comes after the record. Any other damage
// stays for RocksDB to refuse.
//
// Source  RocksDB's log format: blocks of 32 KiB of records `u32 masked CRC-32C, u16 length, u8 type, data`, little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace bukubesar {

// Where the torn last record of a log with these bytes begins; nothing where it is whole, ends early, or is damaged in another way.
[[nodiscard]] std::optional<std::uint64_t> torn_tail(std::string_view log);

// Cuts the torn record off the newest log of RocksDB's directory, synced. True where there was one.
[[nodiscard]] absl::StatusOr<bool> cut_torn_tail(const std::string& directory);

}  // namespace bukubesar
