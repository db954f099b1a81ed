// What a `ledger.redacted` event asks for, whether it may be done, and what then stands in the place of the erased payload.
//
// Whether it may is a function of the definition, the request and its target alone, whenever it is asked: every node decides alike.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "config/definition.h"
#include "events/rules.h"
#include "ledger/ledger.h"

namespace bukubesar {

struct RedactionRequest {
  Sequence by;            // the entry of the reference partition
  PartitionId partition;  // the target
  Sequence sequence;
  std::string source;                      // who sent it
  std::string ground, authority;           // as stated
  std::optional<std::string> replacement;  // the document's JSON, verbatim
};

// Nothing where the entry is no accepted redaction.
[[nodiscard]] std::optional<RedactionRequest> redaction_request(const StoredEntry& stored, Judge& judge);

// FailedPrecondition: it is refused, and why. OutOfRange: its target is not there yet. Others are of the ledger.
[[nodiscard]] absl::StatusOr<Redaction> decide_redaction(const RedactionRequest& request, const Ledger& ledger,
                                                         const Definition& definition);

}  // namespace bukubesar
