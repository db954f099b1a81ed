// SqliteStore: a mart as one SQLite file, for work without a server. Amounts are whole sen (columns …_sen): SQLite has no decimals.
//
// Threads  one at a time.
// Errors   as MartStore; Unavailable: the disk is full or does not answer.
#pragma once

#include <memory>
#include <string>

#include "adapters/mart_store.h"

namespace bukubesar {

class SqliteStore final : public MartStore {
 public:
  // Makes the file; it must not exist.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> make(const std::string& path);
  ~SqliteStore() override;
  // Everything is on disk, and it is one file.
  [[nodiscard]] absl::Status finish();

  [[nodiscard]] absl::Status execute(const std::string& sql) override;
  [[nodiscard]] absl::StatusOr<std::vector<MartRow>> query(const std::string& sql) override;
  [[nodiscard]] absl::Status put_transfers(const std::string& table, const std::vector<MartTransfer>& rows) override;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<MartStore>> beside() override { return nullptr; }
  [[nodiscard]] std::string render(std::string_view sql) const override;

 private:
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
