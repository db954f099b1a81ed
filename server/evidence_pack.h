// Evidence pack: a report with all that it takes to compute it again, in one zip archive. docs/FORMAT.md, "Evidence packs", has its files.
//
// Threads  any: nothing is kept.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "base/ids.h"
#include "base/progress.h"
#include "ledger/entry.h"
#include "server/json.h"
#include "server/log_reader.h"
#include "server/zip_file.h"

namespace bukubesar {

inline constexpr std::string_view kPackManifest = "SHA256SUMS";  // as `sha256sum -c` reads it

// What is asked for.
struct EvidenceRequest {
  std::string report;  // "totals?by=district", "views/umkm", "totals --by district"; without as_of and format
  std::string as_of;   // empty: the newest cut that is signed
  bool whole = false;  // every entry up to the cut, so that completeness is shown too
  bool cosigned = false;
};
// The path after "/v1/" and the query of a report. InvalidArgument where it is neither totals nor a view.
struct ReportTarget {
  std::string path, query;
  [[nodiscard]] std::string view() const;  // empty: totals
};
[[nodiscard]] absl::StatusOr<ReportTarget> parse_report_target(std::string_view text);

// Asks the server for everything, and checks the pack with its own keys before it is handed over.
[[nodiscard]] absl::StatusOr<ZipFiles> build_evidence(const HttpClientOptions& server, const EvidenceRequest& request,
                                                      const Progress& progress);

enum class EvidenceResult : std::uint8_t {
  equal,         // the entries are in the ledger, and give the report
  damaged,       // a file is not what it claims
  other_ledger,  // about a ledger that none of the keys is for
  not_signed,    // a key that was given did not sign
  differs,       // all is sound, but the entries give another report
};
struct EvidenceCheck {
  EvidenceResult result = EvidenceResult::equal;
  std::vector<std::string> shown;      // in plain words, in order
  std::vector<std::string> not_shown;  // what the pack does not prove
  std::string why;                     // not equal: the file, and what is wrong with it
};
[[nodiscard]] EvidenceCheck check_evidence(const ZipFiles& files, const std::vector<std::string>& keys);

// A C2SP tlog-proof of one of its entries, with its payload. NotFound where the pack does not hold it.
[[nodiscard]] absl::StatusOr<std::string> prove_from_pack(const ZipFiles& files, PartitionId partition, Sequence sequence);

// ---- parts, for those who build and those who check

// A payload that was erased by law.
struct PackErased {
  Sequence by;             // the redaction, an entry of the reference partition
  std::string substitute;  // what is folded instead; empty where nothing is
};
struct PackEntry {
  PartitionId partition;
  Sequence sequence;
  std::string bytes;                   // 88
  std::optional<std::string> payload;  // nothing where only the hash is kept, or it was erased
  std::optional<PackErased> erased = std::nullopt;
  [[nodiscard]] std::optional<std::string_view> folded() const;
};
[[nodiscard]] std::string to_line(const PackEntry& entry);  // with its newline
[[nodiscard]] absl::StatusOr<PackEntry> parse_pack_entry(std::string_view line);
// "<hex>  <name>" lines, sorted by name.
[[nodiscard]] std::string manifest_of(const ZipFiles& files);
// report.json, report.csv, and report.html for paper, out of the entries alone; definition.jsonl, views.json and pack.json say how.
[[nodiscard]] absl::StatusOr<ZipFiles> recompute_report(const ZipFiles& files, const std::vector<PackEntry>& entries);

}  // namespace bukubesar
