// Exports a ledger's log as files that other people's software reads: C2SP tlog-tiles with payloads beside them, not compressed.
//
//   <directory>/definition.jsonl, vkeys, log/cut
//   <directory>/log/<partition>/checkpoint, tile/…, tile/entries/…, payloads/<N>[.p/<W>]   (docs/FORMAT.md, "Tiles and bundles")
//
// Tiles are computed from the entries, and nothing is said to be exported before the root of all of them is the checkpoint's.
// Crash   files are written whole; the checkpoint comes last. Run again, it goes on where it was, and follows a log that has grown.
// Errors  DataLoss: entries or payloads are not what the checkpoint or the entry says; the checkpoint is not written.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/progress.h"
#include "server/log_reader.h"

namespace bukubesar {

struct ExportedLog {
  std::uint64_t entries = 0, payloads = 0, hash_only = 0, files_written = 0, files_kept = 0;
  Cut cut;
};
[[nodiscard]] absl::StatusOr<ExportedLog> export_tlog(LogReader& log, const std::string& directory, const Progress& progress);

}  // namespace bukubesar
