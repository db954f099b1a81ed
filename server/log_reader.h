// LogReader: a ledger's log as proofs and exports need it, from a running server or from a data directory.
//
// Threads  one at a time.
// Errors   NotFound: not signed yet, no such partition. Unavailable: the server did not answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/http_client.h"
#include "config/config.h"
#include "ledger/proof.h"

namespace bukubesar {

class LogReader {
 public:
  virtual ~LogReader() = default;
  [[nodiscard]] virtual absl::StatusOr<std::string> definition() = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> verifier_keys() = 0;  // one a line
  [[nodiscard]] virtual absl::StatusOr<std::string> cut_note() = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> checkpoint(PartitionId partition, const CheckpointChoice& choice) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> entry_bundle(PartitionId partition, std::uint64_t index, unsigned width) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> tile(PartitionId partition, unsigned level, std::uint64_t index, unsigned width) = 0;
  // Of the entries [first, first + count), which must be there. Nothing where only the hash is kept, or the payload was erased.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::optional<std::string>>> payloads(PartitionId partition, Sequence first,
                                                                                         std::size_t count) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> entry_proof(PartitionId partition, Sequence sequence, const CheckpointChoice& choice,
                                                                bool with_payload) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> consistency_proof(PartitionId partition, std::uint64_t old_size,
                                                                      std::uint64_t size) = 0;
  // source empty: any that is known.
  [[nodiscard]] virtual absl::StatusOr<EntryPlace> find(std::string_view source, std::string_view id) = 0;
};

[[nodiscard]] absl::StatusOr<std::unique_ptr<LogReader>> read_log_over_http(HttpClientOptions options);
// Opens the ledger for reading: of a stopped server, or beside a running one as it stands now.
[[nodiscard]] absl::StatusOr<std::unique_ptr<LogReader>> read_log_of_directory(const Config& config);

// "0/812", "reference/3"; nothing where it is not of that form.
[[nodiscard]] std::optional<EntryPlace> parse_entry_place(std::string_view text);

}  // namespace bukubesar
