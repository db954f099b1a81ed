// PostgresStore: a mart in PostgreSQL, schema `mart`, through libpq.
//
// One writer: an advisory lock is held as long as the connection, so a second sink is told so and does nothing.
//
// Threads  one at a time.
// Errors   as MartStore: SQLSTATE classes 08, 40, 53 (full), 55, 57, 58 are Unavailable. FailedPrecondition: another sink is at work.
#pragma once

#include <memory>
#include <string>

#include "adapters/mart_store.h"

namespace bukubesar {

class CopyRows;

class PostgresStore final : public MartStore {
 public:
  // connection: a libpq connection string or URI; what it leaves out is PGHOST, PGUSER, PGPASSWORD, ~/.pgpass and so on.
  static absl::StatusOr<std::unique_ptr<PostgresStore>> connect(const std::string& connection);
  ~PostgresStore() override;
  // Role bi_reader, comments. Whoever may not make roles is told what to run.
  [[nodiscard]] absl::Status prepare_readers();

  [[nodiscard]] absl::Status execute(const std::string& sql) override;
  [[nodiscard]] absl::StatusOr<std::vector<MartRow>> query(const std::string& sql) override;
  [[nodiscard]] absl::Status put_transfers(const std::string& table, const std::vector<MartTransfer>& rows) override;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<MartStore>> beside() override;
  [[nodiscard]] std::string render(std::string_view sql) const override;

 private:
  struct Impl;
  explicit PostgresStore(std::unique_ptr<Impl> impl);
  static absl::StatusOr<std::unique_ptr<PostgresStore>> open(const std::string& connection);
  [[nodiscard]] bool put_piece(CopyRows& copy);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
