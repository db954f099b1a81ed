// Import of realisation snapshots: rows → differences to what the ledger knows → events.
//
// A snapshot states a scope (feed, institution, fiscal year). A purchase of the scope that the ledger does not know becomes `ordered`;
// a changed document `amended`; a changed stage or source status `advanced`; one that is gone from a complete snapshot `withdrawn`.
// With --complete every fiscal year that the ledger knows of a file's institution is judged, rows or not.
// Each scope with rows, or with withdrawals, gives one source.observed event, named by every other event of the run; names of vendors,
// institutions and work units become facts, where a row that is new or changed has them.
//
// Invariants  the same files, key and observed-at give the same bytes; the same files again give no purchase event and no fact.
// Errors      a status where nothing can be sent (a file that is no JSON, the server away). Rows that can't be mapped, and scopes that
//             would withdraw too much, are in the report: nothing is dropped in silence.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/event_builder.h"
#include "adapters/ledger_reader.h"
#include "adapters/publisher.h"
#include "base/progress.h"

namespace bukubesar {

struct ImportOptions {
  std::vector<std::string> files;
  std::string institution;  // empty: each file's stem
  std::string feed = "inaproc-realisasi";
  std::string observed_at;  // RFC 3339; empty: each scope's newest file modification time
  std::string secret;       // HMAC key for vendor codes and salts
  bool complete = false;
  bool confirm_withdrawals = false;
  bool dry_run = false;
  bool override_corrections = false;  // restate what an authority corrected
};

struct ImportRemark {
  std::string file;
  std::uint64_t line = 0;  // 0: about the file or scope
  std::string text;
};

struct ImportReport {
  std::uint64_t rows = 0, ordered = 0, amended = 0, advanced = 0, withdrawn = 0, unchanged = 0, facts = 0, observations = 0;
  std::uint64_t held = 0;             // differs from an authority's correction, which was left alone
  std::uint64_t repeated = 0;         // a row that is there twice, word for word
  std::vector<ImportRemark> refused;  // rows
  std::vector<ImportRemark> notes;    // rows that were mapped, with something rounded or unknown
  std::vector<ImportRemark> scopes_refused;
  PublishCounts published;
  Money total, domestic;  // of all mapped rows
  [[nodiscard]] bool clean() const { return refused.empty() && scopes_refused.empty() && published.unexpected_rejections() == 0; }
};

using KnownPurchases = std::unordered_map<std::string, KnownPurchase>;
// What the ledger has of a feed: read_known_purchases() and read_known_years().
struct KnownReader {
  std::function<absl::StatusOr<KnownPurchases>(const Scope&)> purchases;
  std::function<absl::StatusOr<std::vector<std::int32_t>>(const std::string& source, const std::string& institution)> fiscal_years;
};

// sink: null for a dry run. Progress is called with "reading", "comparing" and "sending".
[[nodiscard]] absl::StatusOr<ImportReport> import_realisation(const ImportOptions& options, const KnownReader& known, EventSink* sink,
                                                              const Progress& progress);

}  // namespace bukubesar
