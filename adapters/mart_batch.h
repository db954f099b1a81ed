// MartKeys, MartBatch: one answer of GET /v1/transfers as rows of fact_transfer, with the rows of dimensions that it is the first to need.
// Rows are typed: each database is given them in the form that costs it least.
//
// Keys are numbers that the mart gives out in the order in which codes are met; 0 is unknown. A region's key is its code without points,
// a date's is yyyymmdd.
//
// Threads  one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"

namespace bukubesar {

enum class MartDimension : std::uint8_t { system, method, funding, feed, institution, satker, vendor, commodity, region, date };
inline constexpr std::size_t kMartDimensionCount = 10;

struct NewMember {
  MartDimension dimension{};
  std::int64_t key = 0;
  std::string code;
  std::string institution;  // of a satker
};

// 6310 for 63.10; below zero for what is no Kemendagri code.
[[nodiscard]] std::int64_t mart_region_key(std::string_view region);

class MartKeys {
 public:
  // One that stands in the mart already.
  void know(MartDimension dimension, std::int64_t key, const std::string& code, const std::string& institution = {});
  // New ones are added to `added`. Empty codes have the key 0.
  std::int64_t key_of(MartDimension dimension, std::string_view code, std::vector<NewMember>& added);
  std::int64_t satker_key(std::string_view institution, std::string_view satker, std::vector<NewMember>& added);
  std::int64_t region_key(std::string_view region, std::vector<NewMember>& added);
  // "2023-05-11…" → 20230511; 0 where it begins with no date from 1900 to 2999.
  std::int64_t date_key(std::string_view text, std::vector<NewMember>& added);

 private:
  std::int64_t intern(MartDimension dimension, const std::string& spelled, std::string_view code, std::string_view institution,
                      std::vector<NewMember>& added);
  struct Members {
    absl::flat_hash_map<std::string, std::int64_t> keys;
    std::int64_t next = 1;
  };
  std::array<Members, kMartDimensionCount> all_;
  absl::flat_hash_set<std::int64_t> dates_, regions_;
  std::string scratch_;
};

// What the columns of fact_transfer hold, in the order in which config/mart/schema.sql has them.
enum class MartColumn : std::uint8_t { int16, int32, int64, time, text, amount };
inline constexpr auto kMartColumns = [] {
  using enum MartColumn;
  return std::to_array({int16, int64, int32, time,  time,  int32, int32, int32, int16, int16, text,  int16, int16, amount, int16,
                        int32, int32, int32, int32, int32, int32, int32, int64, int16, int32, int16, int16, int16, int32,  int64});
}();
inline constexpr std::int64_t kMartNull = std::numeric_limits<std::int64_t>::min();

struct MartTransfer {
  // By column: an amount in sen, an instant in milliseconds since 1970, a text as its place in `texts`; kMartNull: NULL.
  std::array<std::int64_t, kMartColumns.size()> values;
  std::array<std::string_view, 3> texts;  // ledger time and event time as the server wrote them, the purchase
};
inline constexpr std::size_t kMartLedgerTime = 0, kMartEventTime = 1, kMartPurchase = 2;

struct MartBatch {
  std::string partition;
  std::uint64_t from = 0, next = 0;  // sequences
  std::vector<MartTransfer> rows;
  std::vector<NewMember> added;
  // What the rows' texts stand in.
  std::string answer;
  std::deque<std::string> held;
};

// to.answer: the body of GET /v1/transfers/…?format=csv. Unavailable: it is not what the route promises.
[[nodiscard]] absl::Status read_transfers(MartKeys& keys, MartBatch& to);

}  // namespace bukubesar
