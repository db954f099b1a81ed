#include "adapters/postgres_store.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include "adapters/mart_load.h"
#include "adapters/postgres_copy.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::size_t kCopyPieceBytes = 1U << 20;
constexpr std::int64_t kWriterLock = 0x62756b7562657361;  // "bukubesa"

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

// On one line: libpq breaks and indents what it says.
std::string trimmed(const char* text) {
  std::string line;
  for (const char c : std::string_view(text == nullptr ? "" : text)) {
    const bool blank = c == ' ' || c == '\n' || c == '\t';
    if (!blank)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

absl::Status status_of(PGconn* connection, const PGresult* result) {
  const char* const state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string message = "PostgreSQL: " + trimmed(result == nullptr ? PQerrorMessage(connection) : PQresultErrorMessage(result));
  if (state == nullptr || PQstatus(connection) != CONNECTION_OK) return absl::UnavailableError(message);
  const std::string_view kind = std::string_view(state).substr(0, 2);
  for (const std::string_view passing : {"08", "40", "53", "55", "57", "58"})
    if (kind == passing) return absl::UnavailableError(message);
  return absl::FailedPreconditionError(fmt::format("{} (SQLSTATE {})", message, state));
}

}  // namespace

struct PostgresStore::Impl {
  std::string asked;  // connection string, for another one
  PGconn* connection = nullptr;
  ~Impl() { PQfinish(connection); }
};

PostgresStore::PostgresStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostgresStore::~PostgresStore() = default;

absl::StatusOr<std::unique_ptr<PostgresStore>> PostgresStore::open(const std::string& connection) {
  char* why = nullptr;
  PQconninfoOption* const parsed = PQconninfoParse(connection.c_str(), &why);
  if (parsed == nullptr) {
    const std::string text = trimmed(why);
    PQfreemem(why);
    return invalid_argument("--database: {}", text);
  }
  PQconninfoFree(parsed);
  auto impl = std::make_unique<Impl>();
  impl->asked = connection;
  const char* const names[] = {"dbname", "fallback_application_name", "connect_timeout", "options", nullptr};
  // The end of a first load sorts all transfers and looks at each foreign key in turn: in memory, and compiled for no query.
  constexpr const char* kSession =
      "-c client_encoding=UTF8 -c client_min_messages=warning -c jit=off -c work_mem=64MB -c maintenance_work_mem=256MB";
  const char* const values[] = {connection.c_str(), "bukubesar", "10", kSession, nullptr};
  impl->connection = PQconnectdbParams(names, values, 1);
  if (PQstatus(impl->connection) != CONNECTION_OK) return unavailable("PostgreSQL: {}", trimmed(PQerrorMessage(impl->connection)));
  return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<MartStore>> PostgresStore::beside() { return open(impl_->asked); }

absl::StatusOr<std::unique_ptr<PostgresStore>> PostgresStore::connect(const std::string& connection) {
  ASSIGN_OR_RETURN(std::unique_ptr<PostgresStore> store, open(connection));
  ASSIGN_OR_RETURN(const auto locked, store->query(fmt::format("SELECT pg_try_advisory_lock({})", kWriterLock)));
  if (locked.empty() || locked[0][0] != "t")
    return unavailable("PostgreSQL: another sink writes to this database (or its session has not ended yet)");
  RETURN_IF_ERROR(store->execute("CREATE SCHEMA IF NOT EXISTS mart"));
  return store;
}

absl::Status PostgresStore::prepare_readers() {
  RETURN_IF_ERROR(execute(render(mart_section(mart_postgres_text(), "comments"))));
  return execute(render(mart_section(mart_postgres_text(), "reader")));
}

absl::Status PostgresStore::execute(const std::string& sql) {
  const Result result(PQexec(impl_->connection, sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return absl::OkStatus();
  return status_of(impl_->connection, result.get());
}

absl::StatusOr<std::vector<MartRow>> PostgresStore::query(const std::string& sql) {
  const Result result(PQexec(impl_->connection, sql.c_str()));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return status_of(impl_->connection, result.get());
  std::vector<MartRow> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (int r = 0; r < PQntuples(result.get()); ++r) {
    for (int c = 0; c < PQnfields(result.get()); ++c) {
      const bool null = PQgetisnull(result.get(), r, c) != 0;
      rows[static_cast<std::size_t>(r)].push_back(null ? std::nullopt : std::optional<std::string>(PQgetvalue(result.get(), r, c)));
    }
  }
  return rows;
}

absl::Status PostgresStore::put_transfers(const std::string& table, const std::vector<MartTransfer>& rows) {
  const Result begun(PQexec(impl_->connection, fmt::format("COPY {} FROM STDIN (FORMAT binary)", table).c_str()));
  if (PQresultStatus(begun.get()) != PGRES_COPY_IN) return status_of(impl_->connection, begun.get());
  CopyRows copy;
  for (const MartTransfer& row : rows) {
    if (!copy.add(row)) break;
    if (copy.bytes().size() >= kCopyPieceBytes && !put_piece(copy)) return status_of(impl_->connection, nullptr);
  }
  copy.end();
  const char* const refusal = copy.wrong().empty() ? nullptr : "a number that does not fit its column";
  if (!put_piece(copy) || PQputCopyEnd(impl_->connection, refusal) != 1) return status_of(impl_->connection, nullptr);
  absl::Status status;
  while (const Result result{PQgetResult(impl_->connection)})
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK && status.ok()) status = status_of(impl_->connection, result.get());
  return copy.wrong().empty() ? status : failed_precondition("{}", copy.wrong());
}

bool PostgresStore::put_piece(CopyRows& copy) {
  const bool put = PQputCopyData(impl_->connection, copy.bytes().data(), static_cast<int>(copy.bytes().size())) == 1;
  copy.clear();
  return put;
}

std::string PostgresStore::render(std::string_view sql) const {
  std::string text = replaced(sql, "@m@", "mart.");
  text = replaced(text, "@empty@", "TRUNCATE");
  text = replaced(text, "@sen@", "");
  text = replaced(text, "@money@", "numeric(20,2)");
  return replaced(text, "@time@", "timestamptz");
}

}  // namespace bukubesar
