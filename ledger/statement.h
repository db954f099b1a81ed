// Source statements as the ledger reads them: the definition's line inside the payload of an entry of kind 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "base/sha256.h"

namespace bukubesar {

struct StatedSource {
  PartitionId partition;
  Epoch epoch;
  Offset first_offset{0};
  std::uint64_t size = 0;  // what it continues from
  Hash256 root{};
  std::string_view line;  // verbatim, into the payload
};

// Nothing where the payload is not null key, no headers, and such a line as value.
[[nodiscard]] std::optional<StatedSource> parse_statement_payload(std::string_view payload);

}  // namespace bukubesar
