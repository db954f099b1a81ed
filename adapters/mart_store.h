// MartStore: the database that a mart stands in. PostgreSQL and SQLite speak the same few statements; `render` has what differs.
//
// Threads  one at a time.
// Errors   Unavailable: it did not answer, is full, is stopping: worth trying again. FailedPrecondition: it refused, and would again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapters/mart_batch.h"

namespace bukubesar {

using MartRow = std::vector<std::optional<std::string>>;

class MartStore {
 public:
  virtual ~MartStore() = default;
  // One or more statements.
  [[nodiscard]] virtual absl::Status execute(const std::string& sql) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::vector<MartRow>> query(const std::string& sql) = 0;
  // Appends rows to a table with the columns of fact_transfer.
  [[nodiscard]] virtual absl::Status put_transfers(const std::string& table, const std::vector<MartTransfer>& rows) = 0;
  // Another connection to the same database, for work beside this one's; null where there can be one alone.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<MartStore>> beside() = 0;
  // Replaces @m@, @empty@, @sen@, @money@ and @time@ (config/mart/schema.sql).
  [[nodiscard]] virtual std::string render(std::string_view sql) const = 0;
};

// 'it''s', or NULL. No NUL bytes, and bytes that are no UTF-8 become U+FFFD: a database would refuse them.
[[nodiscard]] std::string sql_text(std::string_view text);
[[nodiscard]] std::string sql_text_or_null(std::string_view text);
[[nodiscard]] std::string storable_text(std::string_view text);
[[nodiscard]] std::string replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace bukubesar
