#include "adapters/sqlite_store.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/status.h"

namespace bukubesar {

namespace {

struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

absl::Status status_of(sqlite3* database, int code) {
  const std::string message = fmt::format("SQLite: {}", sqlite3_errmsg(database));
  const int kind = code & 0xFF;
  if (kind == SQLITE_FULL || kind == SQLITE_IOERR || kind == SQLITE_BUSY) return absl::UnavailableError(message);
  return absl::FailedPreconditionError(message);
}

}  // namespace

struct SqliteStore::Impl {
  sqlite3* database = nullptr;
  ~Impl() { sqlite3_close(database); }
};

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() = default;

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::make(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return failed_precondition("{}: is there already; a snapshot is never written over", path);
  auto impl = std::make_unique<Impl>();
  const int code = sqlite3_open_v2(path.c_str(), &impl->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (code != SQLITE_OK) return invalid_argument("{}: {}", path, sqlite3_errstr(code));
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(impl)));
  // A snapshot that was not finished is thrown away, so nothing has to be synced on the way.
  RETURN_IF_ERROR(store->execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY"));
  return store;
}

absl::Status SqliteStore::finish() {
  return execute("CREATE INDEX fact_transfer_purchase ON fact_transfer (purchase); PRAGMA synchronous = FULL; PRAGMA optimize; VACUUM");
}

absl::Status SqliteStore::execute(const std::string& sql) {
  const int code = sqlite3_exec(impl_->database, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : status_of(impl_->database, code);
}

absl::StatusOr<std::vector<MartRow>> SqliteStore::query(const std::string& sql) {
  sqlite3_stmt* made = nullptr;
  int code = sqlite3_prepare_v2(impl_->database, sql.c_str(), static_cast<int>(sql.size()), &made, nullptr);
  const Statement statement(made);
  if (code != SQLITE_OK) return status_of(impl_->database, code);
  std::vector<MartRow> rows;
  while ((code = sqlite3_step(made)) == SQLITE_ROW) {
    MartRow& row = rows.emplace_back();
    for (int c = 0; c < sqlite3_column_count(made); ++c) {
      const unsigned char* const text = sqlite3_column_text(made, c);
      row.push_back(text == nullptr ? std::nullopt : std::optional<std::string>(reinterpret_cast<const char*>(text)));
    }
  }
  if (code != SQLITE_DONE) return status_of(impl_->database, code);
  return rows;
}

namespace {

void bind(sqlite3_stmt* insert, const MartTransfer& row) {
  std::size_t times = 0;
  for (std::size_t i = 0; i < kMartColumns.size(); ++i) {
    const int column = static_cast<int>(i) + 1;
    const bool is_time = kMartColumns[i] == MartColumn::time;
    const std::size_t text = is_time ? times++ : kMartPurchase;  // times as the server wrote them: SQLite has no type for one
    if (row.values[i] == kMartNull)
      sqlite3_bind_null(insert, column);
    else if (is_time || kMartColumns[i] == MartColumn::text)
      sqlite3_bind_text(insert, column, row.texts[text].data(), static_cast<int>(row.texts[text].size()), SQLITE_STATIC);
    else
      sqlite3_bind_int64(insert, column, row.values[i]);
  }
}

}  // namespace

absl::Status SqliteStore::put_transfers(const std::string& table, const std::vector<MartTransfer>& rows) {
  std::string sql = fmt::format("INSERT INTO {} VALUES (?", table);
  for (std::size_t i = 1; i < kMartColumns.size(); ++i) sql += ", ?";
  sqlite3_stmt* insert = nullptr;
  const int made = sqlite3_prepare_v2(impl_->database, (sql + ")").c_str(), -1, &insert, nullptr);
  const Statement statement(insert);
  if (made != SQLITE_OK) return status_of(impl_->database, made);
  for (const MartTransfer& row : rows) {
    bind(insert, row);
    const int code = sqlite3_step(insert);
    sqlite3_reset(insert);
    if (code != SQLITE_DONE) return status_of(impl_->database, code);
  }
  return absl::OkStatus();
}

std::string SqliteStore::render(std::string_view sql) const {
  std::string text = replaced(sql, "@m@", "");
  text = replaced(text, "@empty@", "DELETE FROM");
  text = replaced(text, "@sen@", "_sen");
  text = replaced(text, "@money@", "integer");
  return replaced(text, "@time@", "text");
}

}  // namespace bukubesar
