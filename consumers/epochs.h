// Epochs: brings the ledger to the definition's newest source statements before intake starts, and says where each partition goes on.
//
// Crash  the embedded broker's node appends a line to the definition (synced), then commits the entry. Between the two the definition
//        is ahead by one epoch in which nothing was consumed: the next start commits that entry. An epoch without a single record is
//        used again by the next start, since a new embedded broker begins at the same first offset, and nothing of the old one was kept.
// Errors FailedPrecondition: a statement does not continue from what the ledger holds; both sizes or roots are named.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "config/definition.h"
#include "consumers/kafka_source.h"
#include "ledger/ledger.h"

namespace bukubesar {

// Commits the statement entries that the definition has and the ledger lacks. `commit` writes one and tells the observers.
// A statement that continues from more entries than there are is left for later: the old source has to be read up to there first.
using CommitStatement = std::function<absl::Status(std::shared_ptr<const Commit>)>;
[[nodiscard]] absl::Status commit_source_statements(const Definition& definition, const Ledger& ledger, const CommitStatement& commit);

struct EmbeddedTopics {
  std::string purchases, reference;
};
// For a new incarnation of the embedded broker: appends a line for every partition whose newest epoch has records.
[[nodiscard]] absl::Status append_embedded_statements(DefinitionFile& file, const Ledger& ledger, const EmbeddedTopics& topics);

// Where a partition goes on, by the ledger. `size_limit`: entries after which the next epoch's statement comes; nothing: none does.
struct EpochPosition {
  SourcePosition source;
  std::optional<std::uint64_t> size_limit;
};
[[nodiscard]] absl::StatusOr<std::vector<EpochPosition>> source_positions(const Definition& definition, const Ledger& ledger);

}  // namespace bukubesar
