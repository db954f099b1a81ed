// MartLoader: keeps a mart (docs/MART.md) where a ledger is, exactly once.
//
// Each step is one transaction of the database: rows of dimensions, transfers through a staging table, INSERT … ON CONFLICT DO NOTHING on
// (partition, sequence, row) (while it is first loaded: straight by COPY), and the cut. Whoever is killed in between, the mart stands at a
// cut of the ledger, and the next run goes on there. A mart of an older schema is migrated in one transaction when it is opened. While it
// is first loaded (phase `loading`) it has no foreign keys, and fact_purchase and fact_month are empty; then it is `live`, and foreign keys
// hold for what comes. What came before is checked against them afterwards.
//
// Threads  one; a second one reads the next page while a page is stored.
// Errors   Unavailable, DeadlineExceeded, ResourceExhausted: server or database did not answer; make a new one and go on.
//          FailedPrecondition: the mart is of another ledger, of a newer schema, or the server went back behind it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapters/http_client.h"
#include "adapters/mart_batch.h"
#include "adapters/mart_facts.h"
#include "adapters/mart_store.h"
#include "base/cut.h"
#include "base/progress.h"

namespace bukubesar {

inline constexpr int kMartSchemaVersion = 2;

[[nodiscard]] std::string_view mart_schema_text();      // config/mart/schema.sql
[[nodiscard]] std::string_view mart_postgres_text();    // config/mart/postgres.sql
[[nodiscard]] std::string_view mart_migrations_text();  // config/mart/migrations.sql
// The statements between `-- section: NAME` and the next one.
[[nodiscard]] std::string mart_section(std::string_view text, std::string_view name);

struct MartOptions {
  std::uint64_t page_rows = 50'000;
  std::string as_of;  // stop at this; empty: at what the server has read
  Progress progress;
};

struct MartStatus {
  Cut cut;
  std::string phase;
  std::uint64_t transfers = 0, findings = 0;  // stored by this loader
};

class MartInserts;

class MartLoader {
 public:
  MartLoader(HttpClient& client, HttpClient& ahead, MartStore& store, MartOptions options)
      : client_(client), ahead_(ahead), store_(store), options_(std::move(options)) {}
  // Makes the schema where there is none, brings an older one to this version, and reads where the mart stands.
  [[nodiscard]] absl::Status open();
  // Brings the mart to where the server is. `constraints`: text with PostgreSQL's, put on when the first load is done; empty: none.
  [[nodiscard]] absl::Status catch_up(const std::string& constraints);
  [[nodiscard]] const MartStatus& status() const { return state_; }

 private:
  [[nodiscard]] absl::Status run(std::string_view sql) { return store_.execute(store_.render(sql)); }
  [[nodiscard]] absl::StatusOr<std::vector<MartRow>> ask(std::string_view sql) { return store_.query(store_.render(sql)); }
  [[nodiscard]] absl::Status create();
  // All or nothing.
  [[nodiscard]] absl::Status migrate(int from);
  [[nodiscard]] absl::Status make_stage();
  [[nodiscard]] absl::Status load_keys();
  [[nodiscard]] absl::StatusOr<std::string> get(const std::string& target);
  [[nodiscard]] absl::StatusOr<MartBatch> fetch(const std::string& partition, std::uint64_t from, const std::string& as_of);
  [[nodiscard]] absl::Status catch_up_reference(const Cut& target);
  [[nodiscard]] absl::Status catch_up_partition(PartitionId partition, const Cut& target);
  [[nodiscard]] absl::Status store(MartBatch& batch, PartitionId partition);
  [[nodiscard]] absl::Status store_rows(MartBatch& batch, PartitionId partition);
  [[nodiscard]] absl::Status move_cut(PartitionId partition, std::uint64_t next);
  // What is in force at a cut, from the statements [facts_known_, …) of the server.
  [[nodiscard]] absl::Status read_facts(const Cut& cut, bool& changed);
  [[nodiscard]] absl::Status apply_facts();
  // In order; each ends with its semicolon.
  [[nodiscard]] absl::Status run_all(const std::vector<std::string>& statements);
  [[nodiscard]] absl::Status add_members(const std::vector<NewMember>& added);
  void add_member(const NewMember& member, MartInserts& to) const;
  void add_scales(std::int64_t vendor_key, const std::string& vendor, MartInserts& to) const;
  [[nodiscard]] absl::Status finish_loading(const std::string& constraints);
  [[nodiscard]] static absl::Status sum_all(MartStore& store, std::string_view table, std::string_view section);
  [[nodiscard]] absl::Status check_keys(const std::string& constraints);
  [[nodiscard]] absl::Status catch_up_findings();
  [[nodiscard]] absl::Status catch_up_checkpoints();
  template <class Work>
  [[nodiscard]] absl::Status in_transaction(Work work);

  HttpClient& client_;
  HttpClient& ahead_;
  MartStore& store_;
  MartOptions options_;
  MartStatus state_;
  MartKeys keys_;
  MartFacts facts_;
  std::uint64_t facts_known_ = 0;
  bool keys_checked_ = false;
  std::string month_;  // what the attributes in the mart were joined with
};

}  // namespace bukubesar
