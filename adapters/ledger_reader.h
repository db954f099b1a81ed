// What the ledger already knows of a feed's purchases, read over HTTP: what an importer compares a snapshot with.
//
// Errors  as HttpClient; Unavailable where an answer is not what GET /v1/purchases promises.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/http_client.h"

namespace bukubesar {

struct KnownPurchase {
  std::string stage;
  std::optional<std::uint64_t> revision;
  std::string package_status, shipment_status;  // of the last event that stated one; empty: none
  std::string document;                         // canonical_document() of the one in force; empty: none yet
  std::string last_event_id, last_event_source, last_event_type;
};

struct Scope {
  std::string source, institution;
  std::int32_t fiscal_year = 0;
};

// By purchase id. Waits until the views have read all that the ledger has committed so far.
[[nodiscard]] absl::StatusOr<std::unordered_map<std::string, KnownPurchase>> read_known_purchases(HttpClient& client, const Scope& scope);

// The fiscal years, ascending, in which the ledger knows purchases of a feed and institution, withdrawn ones too. Waits likewise.
[[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> read_known_years(HttpClient& client, std::string_view source,
                                                                         std::string_view institution);

// A document's JSON in one spelling, for comparison: members sorted, nulls and empty lists left out, and without what other events
// than `amended` may change (stage, source_status) and the adapter's own count (revision). Empty where the text is no JSON object.
[[nodiscard]] std::string canonical_document(std::string_view json);

}  // namespace bukubesar
