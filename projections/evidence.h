// What a report stands on: the entries from which anybody can compute it again, and rows of transfers as exports take them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/cut.h"
#include "base/ids.h"
#include "projections/transfer.h"

namespace bukubesar {

// All entries of each purchase that has a transfer in the report, up to the cut; of others those that decided which feed counts, or at
// which ledger time; and the facts about the codes that these name.
struct EvidencePlaces {
  Cut cut;
  std::uint64_t purchases = 0;                                // that have a transfer in the report
  std::map<PartitionId, std::vector<std::uint64_t>> entries;  // sequences, ascending
};

// A transfer with its texts.
struct TransferLine {
  std::uint64_t sequence = 0;
  std::uint32_t row = 0;
  std::string type, purchase, from_account, to_account;
  std::int64_t amount = 0;  // sen
  std::int64_t event_time_ms = 0;
};
struct TransferPage {
  std::vector<TransferLine> rows;
  std::uint64_t next_row = 0;    // where the next page begins
  std::uint64_t rows_total = 0;  // below the size
};

}  // namespace bukubesar
